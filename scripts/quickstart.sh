#!/usr/bin/env bash
# Sets everything up, starts an agent in a directory of its own, and runs a real guest through the guide's transcripts.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" = --help ]; then
  cat <<'USAGE'
Usage: npm run quickstart [-- --keep]

Installs what is missing, builds, starts an agent below a temporary directory, boots a real guest with it, and shows
echo, start_vm, db_kfv and stop_vm. Nothing outside of that directory is changed but for installed packages.

  --keep   leave the agent running at the end, and say how to call it
USAGE
  exit 0
fi
keep=no
[ "${1:-}" = --keep ] && keep=yes

bash scripts/setup.sh
npm run --silent build
bash scripts/demo-guest.sh

root=$(mktemp -d /tmp/ovs-agent-XXXXXX)
export OVS_AGENT_ROOT=$root HOME=$root
password=quickstart-$RANDOM$RANDOM
guest=/OVS/running_pool/guest

finish() {
  if [ "$keep" = no ]; then
    # Even when a step has failed nothing is left: neither guest nor agent nor files.
    [ -z "${url:-}" ] || node dist/utils/do_rpc.js "$url" stop_vm $guest json:true >/dev/null 2>&1 || true
    node dist/utils/ovs-agent.js stop >/dev/null 2>&1 || true
    rm -rf "$root"
  fi
}
trap finish EXIT

show() {
  printf '\n$ %s\n' "$1"
  shift
  "$@"
}

mkdir -p "$root/OVS/running_pool/guest" "$root/boot"
cp var/demo-guest/vmlinuz var/demo-guest/initramfs.img "$root/boot/"
cat >"$root$guest/vm.cfg" <<'CFG'
name = 'guest'
memory = 128
vcpus = 1
kernel = '/boot/vmlinuz'
ramdisk = '/boot/initramfs.img'
extra = 'console=ttyS0 quiet mitigations=off cryptomgr.notests'
vif = ['']
CFG
mkdir -p "$root/etc/ovs-agent"
printf 'listen=127.0.0.1\nport=0\n' >"$root/etc/ovs-agent/agent.ini"
printf '%s\n' "$password" | node dist/utils/ovs-agent.js passwd --stdin

show 'ovs-agent start' node dist/utils/ovs-agent.js start
address=$(node dist/utils/ovs-agent.js status --json | node -p 'JSON.parse(require("fs").readFileSync(0)).addresses[0]')
url=https://admin:$password@$address

show "do_rpc https://admin:…@$address echo hello" node dist/utils/do_rpc.js "$url" echo hello
show "do_rpc … start_vm $guest" node dist/utils/do_rpc.js "$url" start_vm $guest
show 'db_kfv vm guest status' node dist/utils/db_kfv.js vm guest status
printf "\nthe guest's own console:\n"
node scripts/show-console.mjs guest DEMO-GUEST-NET
show "do_rpc … stop_vm $guest" node dist/utils/do_rpc.js "$url" stop_vm $guest
show 'db_kfv vm guest status' node dist/utils/db_kfv.js vm guest status

if [ "$keep" = yes ]; then
  printf '\nThe agent goes on. To call it:\n  export OVS_AGENT_ROOT=%s\n  node dist/utils/do_rpc.js %s list_vms\n' "$root" "$url"
  printf 'To end it:\n  node dist/utils/ovs-agent.js stop; rm -r %s\n' "$root"
else
  show 'ovs-agent stop' node dist/utils/ovs-agent.js stop
fi
