#!/usr/bin/env bash
# Removes what install-system.sh put there. Settings, passwords, the database, logs and guests stay.
set -euo pipefail
destination=${DESTDIR:-}
if [ "${1:-}" = --help ]; then
  sed -n '2s/^# //p' "$0"
  exit 0
fi
if [ -z "$destination" ] && [ "$(id -u)" != 0 ]; then
  echo 'uninstall-system: root is needed; run it with sudo, or set DESTDIR' >&2
  exit 1
fi
if [ -z "$destination" ] && [ -d /run/systemd/system ]; then
  # Not stopped: that would stop the guests, and unmount what they need.
  systemctl disable ovs-guests.service ovsrepositories.service || true
  systemctl disable --now ovs-agent.service || true
fi
for link in "$destination"/usr/local/bin/*; do
  case $(readlink "$link" 2>/dev/null || true) in /opt/ovs-agent-2.2/bin/*) rm -f "$link" ;; esac
done
rm -f "$destination"/usr/lib/ovs/ovs-{makerepo,offlinerepo} "$destination"/etc/systemd/system/{ovs-agent,ovs-guests,ovsrepositories}.service "$destination/etc/ovs-agent/agent.ini.new" "$destination/opt/ovs-agent-latest"
rm -rf "$destination/opt/ovs-agent-2.2"
if [ -z "$destination" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo 'removed; settings, passwords, the database, logs and guests were left'
