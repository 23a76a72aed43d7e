#!/usr/bin/env bash
# What can be known without a guest: types, lint, format, architecture, unit tests. Under a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
npx tsc -p tsconfig.json
npx biome format .
npx eslint .
npx vitest run test/architecture test/unit test/properties test/golden
