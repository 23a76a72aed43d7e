# What the scripts of the Xen lab share; read by them, never run.
# shellcheck shell=bash disable=SC2034 # the names are for those who read it

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly ROOT
readonly SOURCES=$ROOT/scripts/lab-xen
readonly LAB=$ROOT/var/lab-xen
readonly IMAGE=$LAB/image
readonly RUN=$LAB/run

# Debian keeps modprobe, depmod and mke2fs where an ordinary user's PATH may not look.
export PATH=$PATH:/usr/sbin:/sbin

say() {
  echo "lab-xen: $*"
}

fail() {
  say "$*" >&2
  exit 1
}

# QEMU separates its options' values by these.
[[ $ROOT != *[[:space:],]* ]] || fail "the lab cannot run in $ROOT: its path holds a blank or a comma; clone the project elsewhere"

# milliseconds_since STARTED: STARTED is the value of EPOCHREALTIME at the start.
milliseconds_since() {
  echo $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000))
}

# report STARTED TEXT: one line for a finished step.
report() {
  local elapsed_ms
  elapsed_ms=$(milliseconds_since "$1")
  printf 'lab-xen: %-60s %3d.%d s\n' "$2" $((elapsed_ms / 1000)) $((elapsed_ms % 1000 / 100))
}

# run_step TEXT COMMAND...: runs the command quietly; what it printed is shown when it fails.
run_step() {
  local text=$1 started=$EPOCHREALTIME status
  shift
  mkdir -p "$LAB"
  # Not as the condition of an "if": there a function goes on after its first failed command.
  set +e
  (set -e && "$@") >"$LAB/step.log" 2>&1 </dev/null
  status=$?
  set -e
  if ((status != 0)); then
    tail -n 40 "$LAB/step.log" >&2
    fail "cannot $text; the command was: $*"
  fi
  report "$started" "$text"
}
