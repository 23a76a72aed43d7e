#!/usr/bin/env bash
# Sets everything up and passes every test, from a fresh clone on a Debian machine with Node.js, python3, make and g++.
set -euo pipefail
cd "$(dirname "$0")/.."
step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

step 'set-up'
bash scripts/setup.sh
step 'build'
npm run --silent build
step 'types'
npx tsc -p tsconfig.json
step 'format'
npx biome format .
step 'lint'
npx eslint .
step 'demo guest'
bash scripts/demo-guest.sh
step 'tests'
mkdir -p var
failed=0
npx vitest run --reporter=default --reporter=json --outputFile.json=var/test-results.json || failed=1
step 'done'
node scripts/summary.mjs var/test-results.json
exit "$failed"
