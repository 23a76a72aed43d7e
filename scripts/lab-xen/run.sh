#!/usr/bin/env bash
# Runs this project on a real Xen host: installs it in the lab's dom0 and tests it there; see docs/xen-lab.md.
set -euo pipefail
# shellcheck source=scripts/lab-xen/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$ROOT"

# Step, where its tests run, and the longest it may take in seconds. Its tests are test/lab-xen/STEP*.test.ts.
# Those beside the lab call the agent that is installed in dom0; those in dom0 take the project as it lies here.
readonly STEPS=(
  'smoke        dom0     600'
  'contract     dom0     7200'
  'hvm          dom0     1200'
  'migration    dom0     1200'
  'outside      outside  300'
  'transcripts  outside  3600'
)
readonly TRANSCRIPTS=$LAB/transcripts
readonly LAB_SH=$SOURCES/lab.sh
readonly AGENT_LIMIT_S=300

usage() {
  cat <<USAGE
Usage: npm run lab:xen [-- OPTION... STEP...]

Builds the lab and the project where that is needed, starts the lab, installs the project in its dom0 and starts the agent when a step
calls it, and runs the steps, all when none is named: ${names[*]}.
What each printed, with Xen's and the agent's logs, is kept in var/lab-xen/transcripts until the step runs again; summary.txt there
lists every test of the last run of each step. A lab that runs already is used, and left running.

  --keep              leave the lab running at the end
  --hypervisor NAME   what the agent is to use: auto, xen, qemu, simulated; auto if not given
  --ssh-port N, --agent-port N, --memory MiB, --dom0-memory MiB
                      how the lab is started: scripts/lab-xen/lab.sh --help
USAGE
}

in_dom0() {
  bash "$LAB_SH" ssh "$@"
}

build_project() {
  npm run --silent build
}

# install_project: this project's package in dom0.
install_project() {
  local package
  package=$(npm run --silent package:deb | tail -n 1)
  bash "$LAB_SH" put "$package" /root
  in_dom0 "dpkg -i $(printf %q "/root/$(basename "$package")")"
}

# configure_project HYPERVISOR: the agent's settings and a password of its own for each run.
configure_project() {
  (umask 077 && openssl rand -hex 12 >"$RUN/password")
  in_dom0 "sed -i -e 's/^hypervisor=.*/hypervisor=$1/' -e 's|^kernel_directories=.*|kernel_directories=/boot,/srv/xen|' \
    /etc/ovs-agent/agent.ini"
  in_dom0 'ovs-agent passwd --stdin' <"$RUN/password"
}

# The agent as a caller on another machine meets it. QEMU accepts connections before anybody listens in dom0.
agent_answers() {
  HOME=$RUN OVS_AGENT_PASSWORD=$(<"$RUN/password") node dist/utils/do_rpc.js --accept-new --timeout 20 "$url" echo hello
}

start_agent() {
  local started=$EPOCHREALTIME
  in_dom0 'systemctl enable ovs-agent.service && systemctl restart ovs-agent.service' || {
    in_dom0 'journalctl --no-pager --unit ovs-agent --lines 30' || true
    return 1
  }
  # The installation made anew has another key.
  rm -rf "$RUN/.ovs-agent"
  until agent_answers; do
    if (($(milliseconds_since "$started") > AGENT_LIMIT_S * 1000)); then
      in_dom0 'journalctl --no-pager --unit ovs-agent --lines 30' || true
      echo "no answer at $url for $AGENT_LIMIT_S s"
      return 1
    fi
    sleep 1
  done
}

# In dom0 the project's directory is read only: vitest must write no file beside its configuration.
test_dom0() {
  bash "$LAB_SH" mount && in_dom0 "cd /project && NO_COLOR=1 OVS_XEN_LAB=1 timeout --kill-after=10 $2 \
    node node_modules/vitest/vitest.mjs run --configLoader runner --config test/lab-xen/vitest.config.ts '$1'"
}

test_outside() {
  NO_COLOR=1 OVS_LAB_URL=$url OVS_LAB_PASSWORD=$(<"$RUN/password") OVS_LAB_SSH="bash $LAB_SH ssh" \
    timeout --kill-after=10 "$2" node node_modules/vitest/vitest.mjs run --config test/lab-xen/vitest.config.ts "$1"
}

# evidence SECONDS: what Xen and the agent noted, the agent's of the last so many seconds.
evidence() {
  in_dom0 "for command in 'xl list' 'xl info' 'xl dmesg' 'journalctl --no-pager --unit ovs-agent --since=-${1}s'; do
      printf '\n== %s\n' \"\$command\"; \$command 2>&1; done" || echo 'dom0 does not answer'
}

# run_test STEP WHERE LIMIT
run_test() {
  local started=$EPOCHREALTIME outcome=passed seconds status=0
  if compgen -G "test/lab-xen/$1*.test.ts" >/dev/null; then
    "test_$2" "$1" "$3" >"$TRANSCRIPTS/$1.txt" 2>&1 </dev/null || status=$?
  else
    echo "there is no test/lab-xen/$1*.test.ts" >"$TRANSCRIPTS/$1.txt"
    status=1
  fi
  seconds=$(($(milliseconds_since "$started") / 1000))
  if ((status != 0)); then
    outcome=failed
    failures=$((failures + 1))
    tail -n 40 "$TRANSCRIPTS/$1.txt" >&2
    ((status != 124 && status != 137)) || echo "not done after $3 s" | tee -a "$TRANSCRIPTS/$1.txt" >&2
  fi
  evidence $((seconds + 1)) >>"$TRANSCRIPTS/$1.txt" 2>&1 </dev/null
  summary+=("$(printf '%-14s %-8s %6d' "$1" "$outcome" "$seconds")")
  report "$started" "$1: $outcome"
}

# The tests of each step, of the last time that it ran, without what is true of one machine only.
summarize() {
  local step name
  printf 'Xen %s, Linux %s, Debian %s, Node.js %s; the processor is emulated\n' "$(in_dom0 'xl info xen_version')" \
    "$(in_dom0 'uname -r')" "$(in_dom0 'cat /etc/debian_version')" "$(in_dom0 'node --version')"
  for step in "${STEPS[@]}"; do
    name=${step%% *}
    [[ -e $TRANSCRIPTS/$name.txt ]] || continue
    printf '\n%s\n' "$name"
    sed -n -E -e '/^== /q' -e '/^ +(✓|×|↓|Tests) /p' "$TRANSCRIPTS/$name.txt"
  done
}

finish() {
  [[ ! -e $RUN/serial.log ]] || cp "$RUN/serial.log" "$TRANSCRIPTS/serial.log"
  if [[ $stop_at_end == yes ]]; then bash "$LAB_SH" stop; fi
}

names=()
for step in "${STEPS[@]}"; do names+=("${step%% *}"); done

read_arguments() {
  wanted=()
  start_options=()
  keep=no
  hypervisor=auto
  while (($# > 0)); do
    case $1 in
      --keep) keep=yes ;;
      --hypervisor)
        hypervisor=${2-}
        [[ $hypervisor =~ ^(auto|xen|qemu|simulated)$ ]] || fail '--hypervisor needs one of auto, xen, qemu, simulated'
        shift
        ;;
      --ssh-port | --agent-port | --memory | --dom0-memory)
        (($# > 1)) || fail "$1 needs a value; see --help"
        start_options+=("$1" "$2")
        shift
        ;;
      -h | --help)
        usage
        exit
        ;;
      *)
        [[ " ${names[*]} " == *" $1 "* ]] || fail "there is no step or option $1; the steps are: ${names[*]}"
        wanted+=("$1")
        ;;
    esac
    shift
  done
  ((${#wanted[@]} > 0)) || wanted=("${names[@]}")
}

is_wanted() {
  [[ " ${wanted[*]} " == *" $1 "* ]]
}

wants_agent() {
  local step name where
  for step in "${STEPS[@]}"; do
    read -r name where _ <<<"$step"
    if [[ $where == outside ]] && is_wanted "$name"; then return 0; fi
  done
  return 1
}

main() {
  local step name where limit
  read_arguments "$@"
  mkdir -p "$LAB"
  exec 8>"$LAB/run.lock"
  flock -n 8 || fail 'another run is at work in this lab; wait for its end'

  if wants_agent; then run_step 'build the project' build_project; fi
  mkdir -p "$TRANSCRIPTS"
  for name in "${wanted[@]}"; do rm -f "$TRANSCRIPTS/$name.txt"; done
  stop_at_end=no
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if bash "$LAB_SH" status; then
    ((${#start_options[@]} == 0)) || fail "a lab runs already, started otherwise: leave out ${start_options[*]}, or stop it: scripts/lab-xen/lab.sh stop"
  else
    bash "$SOURCES/build.sh"
    [[ $keep == yes ]] || stop_at_end=yes
    # The lab may outlive this run, and must not keep its lock.
    bash "$LAB_SH" start "${start_options[@]}" 8>&-
  fi
  bash "$LAB_SH" wait
  # shellcheck source=/dev/null
  source "$RUN/ports"
  # shellcheck disable=SC2154 # the file just read says it
  url=https://admin@127.0.0.1:$agent_port
  if wants_agent; then
    run_step 'install the project in dom0' install_project
    run_step 'configure the agent' configure_project "$hypervisor"
    run_step 'start the agent, until it answers over HTTPS' start_agent
  fi

  failures=0
  summary=()
  for step in "${STEPS[@]}"; do
    read -r name where limit <<<"$step"
    if is_wanted "$name"; then run_test "$name" "$where" "$limit"; fi
  done
  summarize >"$TRANSCRIPTS/summary.txt"
  printf '\n%-14s %-8s %6s\n' step outcome seconds
  printf '%s\n' "${summary[@]}"
  say "transcripts are in $TRANSCRIPTS"
  ((failures == 0))
}

# Read as a whole, so that the script can be changed while a long run is at work.
{
  main "$@"
  exit
}
