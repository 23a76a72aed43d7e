#!/usr/bin/env bash
# Installs what the project needs to be built, tested and tried on a Debian machine, and only what is missing.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT
# shellcheck source=scripts/system-packages.sh
source "$ROOT/scripts/system-packages.sh"
readonly NATIVE_CACHE="${XDG_CACHE_HOME:-${HOME:?}/.cache}/ovs-agent/native"
readonly NATIVE_PACKAGE=better-sqlite3
readonly NATIVE_FILE=$ROOT/node_modules/$NATIVE_PACKAGE/build/Release/better_sqlite3.node

# Debian package, and the command that shows that it is there: a command that came another way needs no package.
readonly SYSTEM_NEEDS=(
  'qemu-system-x86  qemu-system-x86_64 --version'
  'qemu-utils       qemu-img --version'
  'bubblewrap       bwrap --version'
  'grub-common      grub-fstest --version'
  'e2fsprogs        mke2fs -V'
  'xfsprogs         mkfs.xfs -V'
  'fdisk            sfdisk --version'
  'cpio             cpio --version'
  'kmod             modprobe --version'
  'curl             curl --version'
  'zstd             zstd --version'
  'isal             igzip --version'
  'openssl          openssl version'
  'groff-base       groff --version'
  'bsdutils         script --version'
  'librpc-xml-perl  perl -MRPC::XML::Client -e 1'
  'iproute2         ip -V'
  'systemd          systemd-analyze --version'
  'python3          python3 --version'
  'make             make --version'
  'g++              g++ --version'
)

# Debian keeps modprobe and ip where an ordinary user's PATH may not look.
export PATH=$PATH:/usr/sbin:/sbin

usage() {
  cat <<'USAGE'
Usage: scripts/setup.sh [--system | --node]

Installs what is missing, and nothing else: the Debian packages (needs root when one is missing) and node_modules.
better-sqlite3 is compiled once per version, Node.js ABI and C library, and kept below ~/.cache/ovs-agent/native.

  --system   only the Debian packages
  --node     only node_modules
USAGE
}

fail() {
  echo "setup: $*" >&2
  exit 1
}

# report STARTED TEXT: one line for a finished step; STARTED is the value of EPOCHREALTIME at its start.
report() {
  local elapsed_ms=$(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000))
  printf 'setup: %-60s %3d.%d s\n' "$2" $((elapsed_ms / 1000)) $((elapsed_ms % 1000 / 100))
}

# run_step TEXT COMMAND...: runs the command quietly; what it printed is shown when it fails.
run_step() {
  local text=$1 started=$EPOCHREALTIME
  shift
  if ! "$@" >"$LOG" 2>&1 </dev/null; then
    tail -n 40 "$LOG" >&2
    fail "cannot $text; the command was: $*"
  fi
  report "$started" "$text"
}

# with_one_retry COMMAND...: package registries fail now and then, and for a moment only.
with_one_retry() {
  if ! "$@"; then
    echo "failed once, trying again: $*"
    sleep 3
    "$@"
  fi
}

set_up_system() {
  local started=$EPOCHREALTIME missing
  mapfile -t missing < <(missing_system_packages)
  if ((${#missing[@]} == 0)); then
    report "$started" 'Debian packages: all there'
    return
  fi
  local by_hand="apt-get update && apt-get install --no-install-recommends ${missing[*]}"
  command -v apt-get >/dev/null || fail "missing: ${missing[*]}; this is no Debian machine: install them its way"
  ((EUID == 0)) || fail "missing: ${missing[*]}; run as root: $by_hand"
  run_step "install Debian packages: ${missing[*]}" with_one_retry apt_install "${missing[@]}"
  mapfile -t missing < <(missing_system_packages)
  ((${#missing[@]} == 0)) || fail "installed, but still not usable: ${missing[*]}; see: $by_hand"
}

native_module_works() {
  (cd "$ROOT" && node -e "new (require('$NATIVE_PACKAGE'))(':memory:').prepare('SELECT 1').get()")
}

# npm writes node_modules/.package-lock.json last.
node_modules_are_current() {
  local installed=$ROOT/node_modules/.package-lock.json
  [[ -e $installed && ! $ROOT/package-lock.json -nt $installed ]]
}

# packages_with_install_scripts: the installed ones of the lock file, without the native one.
packages_with_install_scripts() {
  (cd "$ROOT" && node -e '
    const { packages } = require("./package-lock.json");
    for (const [path, { hasInstallScript }] of Object.entries(packages)) {
      const name = path.replace(/^.*node_modules\//, "");
      if (hasInstallScript && name !== process.argv[1] && require("fs").existsSync(path)) console.log(name);
    }' "$NATIVE_PACKAGE")
}

# A compiled module fits one version, one Node.js ABI, one processor and the C library it was linked with.
native_cache_file() {
  # shellcheck disable=SC2016 # the ${...} are JavaScript's
  (cd "$ROOT" && node -p '
    const [name, libc] = process.argv.slice(1);
    const { version } = require("./package-lock.json").packages[`node_modules/${name}`];
    `${name}-${version}-node${process.versions.modules}-${process.arch}-${libc.replace(/\W+/, "")}.node`
  ' "$NATIVE_PACKAGE" "$(getconf GNU_LIBC_VERSION 2>/dev/null || echo otherlibc)")
}

restore_native_module() {
  mkdir -p "$(dirname "$NATIVE_FILE")"
  cp "$1" "$NATIVE_FILE" && native_module_works
}

compile_native_module() {
  (cd "$ROOT" && npm rebuild "$NATIVE_PACKAGE") && native_module_works
}

# keep_native_module FILE: by rename, so that nobody ever finds half a file.
keep_native_module() {
  mkdir -p "$NATIVE_CACHE" && cp "$NATIVE_FILE" "$1.$$" && mv "$1.$$" "$1"
}

set_up_native_module() {
  local cached started=$EPOCHREALTIME
  cached=$NATIVE_CACHE/$(native_cache_file)
  if [[ -e $cached ]] && restore_native_module "$cached" >"$LOG" 2>&1; then
    report "$started" "take $NATIVE_PACKAGE from $NATIVE_CACHE"
    return
  fi
  run_step "compile $NATIVE_PACKAGE" with_one_retry compile_native_module
  run_step "keep $NATIVE_PACKAGE in $NATIVE_CACHE" keep_native_module "$cached"
}

npm_ci() {
  (cd "$ROOT" && npm ci --ignore-scripts --no-progress)
}

npm_run_install_scripts() {
  (cd "$ROOT" && npm rebuild "$@")
}

set_up_node() {
  local started=$EPOCHREALTIME others
  if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    fail 'Node.js with npm is missing; install the version that package.json asks for in "engines"'
  fi
  if node_modules_are_current; then
    if native_module_works >"$LOG" 2>&1; then
      report "$started" 'node_modules: up to date'
      return
    fi
  else
    run_step 'install node_modules' with_one_retry npm_ci
    mapfile -t others < <(packages_with_install_scripts)
    ((${#others[@]} == 0)) || run_step "run install scripts: ${others[*]}" with_one_retry npm_run_install_scripts "${others[@]}"
  fi
  set_up_native_module
}

parts='system node'
case ${1-} in
  '') ;;
  --system) parts=system ;;
  --node) parts=node ;;
  -h | --help)
    usage
    exit
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
(($# <= 1)) || { usage >&2; exit 2; }

LOG=$(mktemp)
readonly LOG
trap 'rm -f "$LOG"' EXIT
for part in $parts; do
  "set_up_$part"
done
