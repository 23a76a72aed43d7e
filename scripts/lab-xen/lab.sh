#!/usr/bin/env bash
# Starts, enters and stops the Xen lab: a real Xen with a Debian dom0 inside of an emulated machine; see docs/xen-lab.md.
set -euo pipefail
# shellcheck source=scripts/lab-xen/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

usage() {
  cat <<'USAGE'
Usage: scripts/lab-xen/lab.sh COMMAND

  start [--ssh-port N] [--agent-port N] [--memory MiB] [--dom0-memory MiB]
                     starts the machine; ports are on 127.0.0.1, 22122 for ssh and 18899 for the agent if not given
                     (or LAB_XEN_SSH_PORT, LAB_XEN_AGENT_PORT); 3072 and 1024 MiB of memory
  wait [SECONDS]     until dom0 is up, 600 s at most if not given; sets dom0's clock
  ssh [COMMAND...]   runs a command as dom0's root, or a shell
  put FILE... DIR    copies files or directories into a directory of dom0
  get FILE... DIR    copies files or directories of dom0 here
  mount              mounts the project's directory at /project of dom0, read only, as it is now
  status             tells whether it runs, and its ports; exit code 3 when it does not
  stop               ends the machine; what was written to dom0's disk is lost

State is kept in var/lab-xen/run: process id, ports, serial.log (all that Xen and dom0 print), qemu.log.
USAGE
}

# What the processor must not offer, for Xen's sake under QEMU's emulation: with SMAP dom0 crashes at boot, with RDTSCP PVH
# guests hang, and with XSAVE, which AVX needs, the SIMD registers of dom0 change silently as soon as a guest runs.
# One thread for both processors: with two, every fifteenth PVH guest restarts itself while it boots, at an address of Xen's.
readonly PROCESSOR=max,-smap,-rdtscp,-xsave,-avx,-avx2
readonly XEN_ARGUMENTS='console=com1 com1=115200,8n1 spec-ctrl=no xpti=no loglvl=warning guest_loglvl=warning noreboot'
KERNEL_ARGUMENTS='console=hvc0 root=/dev/vda rw net.ifnames=0 mitigations=off quiet loglevel=4'
KERNEL_ARGUMENTS+=' systemd.show_status=false audit=0 selinux=0 apparmor=0'
readonly KERNEL_ARGUMENTS

# lab_process: prints the id of the running lab's process. An id alone may have gone to another process since.
lab_process() {
  local id
  [[ -e $RUN/pid ]] && id=$(<"$RUN/pid") || return 1
  tr '\0' '\n' <"/proc/$id/cmdline" 2>/dev/null | grep -qxF "file=$IMAGE/dom0.img,format=raw,if=none,id=disk,snapshot=on,cache=unsafe" ||
    return 1
  echo "$id"
}

port_is_taken() {
  (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# read_ports: of the lab that runs.
read_ports() {
  lab_process >/dev/null || fail 'no lab runs; start one: scripts/lab-xen/lab.sh start'
  # shellcheck source=/dev/null
  source "$RUN/ports"
}

ssh_options() {
  echo "-i $RUN/id_ed25519 -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    -o LogLevel=ERROR -o ConnectTimeout=20 -o ServerAliveInterval=20"
}

in_dom0() {
  # shellcheck disable=SC2046 # one argument per option
  ssh $(ssh_options) -p "$ssh_port" root@127.0.0.1 "$@"
}

want_number() {
  [[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || fail "$1 $2: it must be a whole number above 0"
}

start_lab() {
  local ssh_port=${LAB_XEN_SSH_PORT:-22122} agent_port=${LAB_XEN_AGENT_PORT:-18899} memory=3072 dom0_memory=1024 id port
  while (($# > 0)); do
    (($# > 1)) || fail "$1 needs a value; see --help"
    want_number "$1" "$2"
    case $1 in
      --ssh-port) ssh_port=$2 ;;
      --agent-port) agent_port=$2 ;;
      --memory) memory=$2 ;;
      --dom0-memory) dom0_memory=$2 ;;
      *) fail "start knows no $1; see --help" ;;
    esac
    shift 2
  done
  if id=$(lab_process); then
    read_ports
    fail "a lab runs already, process $id, ssh on port $ssh_port, the agent on $agent_port; stop it first: scripts/lab-xen/lab.sh stop"
  fi
  for port in "$ssh_port" "$agent_port"; do
    if port_is_taken "$port"; then
      fail "port $port of 127.0.0.1 is taken, by another lab perhaps; choose others with --ssh-port and --agent-port"
    fi
  done
  [[ -e $IMAGE/dom0.img ]] || fail 'there is no image; make it: scripts/lab-xen/build.sh'

  rm -rf "$RUN"
  mkdir -p "$RUN"
  printf 'ssh_port=%s\nagent_port=%s\n' "$ssh_port" "$agent_port" >"$RUN/ports"
  # This lab's key stays when the image is made anew.
  cp "$IMAGE/id_ed25519" "$RUN/id_ed25519"
  # Sockets have short names: QEMU runs in the directory. What dom0 writes goes to an unnamed file there (snapshot=on).
  cd "$RUN"
  TMPDIR=$RUN setsid qemu-system-x86_64 \
    -accel tcg,thread=single,tb-size=512 -cpu "$PROCESSOR" -M q35 -smp 2 -m "${memory}M" -nodefaults -display none \
    -chardev "file,id=serial,path=serial.log" -serial chardev:serial \
    -monitor unix:monitor.sock,server=on,wait=off \
    -drive "file=$IMAGE/dom0.img,format=raw,if=none,id=disk,snapshot=on,cache=unsafe" -device virtio-blk-pci,drive=disk \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$ssh_port-10.0.2.15:22,hostfwd=tcp:127.0.0.1:$agent_port-10.0.2.15:8899" \
    -device virtio-net-pci,netdev=net,romfile= \
    -virtfs "local,path=$ROOT,mount_tag=project,security_model=none,readonly=on" \
    -device virtio-rng-pci \
    -kernel "$IMAGE/xen" -append "$XEN_ARGUMENTS dom0_mem=${dom0_memory}M,max:${dom0_memory}M" \
    -initrd "$IMAGE/vmlinuz $KERNEL_ARGUMENTS,$IMAGE/initrd.img" \
    >qemu.log 2>&1 </dev/null &
  echo "$!" >pid
  until lab_process >/dev/null || ! kill -0 "$!" 2>/dev/null; do sleep 0.05; done
  say "started process $!, ssh on port $ssh_port, the agent on $agent_port; wait for it: scripts/lab-xen/lab.sh wait"
}

wait_for_lab() {
  local limit=${1:-600} started=$EPOCHREALTIME
  want_number wait "$limit"
  until grep -aqs LAB-READY "$RUN/serial.log"; do
    if ! lab_process >/dev/null; then
      cat "$RUN/qemu.log" >&2
      fail 'the machine has ended; above is what QEMU said'
    fi
    if grep -aqsE 'LAB-BROKEN|Dom0 .*crashed|Panic on CPU' "$RUN/serial.log"; then
      tail -n 30 "$RUN/serial.log" >&2
      fail "dom0 did not come up; above is the end of $RUN/serial.log"
    fi
    if (($(milliseconds_since "$started") > limit * 1000)); then
      tail -n 30 "$RUN/serial.log" >&2
      fail "dom0 is not up after $limit s; above is the end of $RUN/serial.log"
    fi
    sleep 0.5
  done
  read_ports
  # The emulated clock falls behind on a busy machine, and certificates are not valid before they were made.
  in_dom0 "date --utc --set=@$(date +%s.%N)" >/dev/null
  report "$started" "dom0 is up; the machine has used $(processor_seconds) s of processor time"
}

processor_seconds() {
  awk -v ticks="$(getconf CLK_TCK)" '{ print int(($14 + $15) / ticks) }' "/proc/$(lab_process)/stat"
}

# put FILE... DIR
put() {
  local target=${*: -1} file
  local files=("${@:1:$#-1}") arguments=()
  for file in "${files[@]}"; do arguments+=(-C "$(cd "$(dirname "$file")" && pwd)" "$(basename "$file")"); done
  tar -c "${arguments[@]}" | in_dom0 "mkdir -p $(printf %q "$target") && tar -x --no-same-owner --warning=no-timestamp -C $(printf %q "$target")"
}

# get FILE... DIR
get() {
  local target=${*: -1} file command=
  local files=("${@:1:$#-1}")
  mkdir -p "$target"
  for file in "${files[@]}"; do command+=" -C $(printf '%q %q' "$(dirname "$file")" "$(basename "$file")")"; done
  in_dom0 "tar -c$command" | tar -x -C "$target"
}

show_status() {
  local id
  if ! id=$(lab_process); then
    say 'no lab runs'
    exit 3
  fi
  read_ports
  say "a lab runs: process $id, ssh on port $ssh_port, the agent on $agent_port"
}

stop_lab() {
  local id started=$EPOCHREALTIME
  id=$(lab_process) || { say 'no lab runs' && return; }
  kill "$id"
  while lab_process >/dev/null; do
    if (($(milliseconds_since "$started") > 10000)); then kill -KILL "$id" || true; fi
    sleep 0.1
  done
  rm -f "$RUN/pid" "$RUN/monitor.sock"
  say "stopped process $id; its logs are in $RUN"
}

command=${1-}
(($# == 0)) || shift
case $command in
  start) start_lab "$@" ;;
  wait) wait_for_lab "$@" ;;
  ssh)
    read_ports
    in_dom0 "$@"
    ;;
  put | get)
    (($# >= 2)) || fail "$command needs files and a directory; see --help"
    read_ports
    "$command" "$@"
    ;;
  mount)
    read_ports
    in_dom0 '{ ! mountpoint -q /project || umount /project; } && mount /project'
    ;;
  status) show_status ;;
  stop) stop_lab ;;
  -h | --help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
