#!/usr/bin/env bash
# Installs the agent below /opt/ovs-agent-2.2, with the paths by which scripts written for the original find it.
# DESTDIR=DIR installs below DIR instead, for packages and tests. UNIT_DIRECTORY and PROGRAM_DIRECTORY say where systemd's units
# and the links to the programs go; /etc/systemd/system and /usr/local/bin if not given.
set -euo pipefail
cd "$(dirname "$0")/.."
destination=${DESTDIR:-}
units=$destination${UNIT_DIRECTORY:-/etc/systemd/system}
programs=$destination${PROGRAM_DIRECTORY:-/usr/local/bin}
home=$destination/opt/ovs-agent-2.2

if [ "${1:-}" = --help ]; then
  sed -n '2,4s/^# //p' "$0"
  exit 0
fi
if [ -z "$destination" ] && [ "$(id -u)" != 0 ]; then
  echo 'install-system: root is needed to write to /opt, /etc and /usr; run it with sudo, or set DESTDIR' >&2
  exit 1
fi
[ -f dist/utils/ovs-agent.js ] || npm run --silent build

# A running agent keeps the files it has open; the new ones are put beside and take their place in one step.
fresh=$home.new
rm -rf "$fresh"
mkdir -p "$fresh"/{bin,utils,db} "$destination"/{etc/ovs-agent,usr/lib/ovs,var/log/ovs-agent} "$units" "$programs"
chmod 0700 "$destination"/etc/ovs-agent "$destination"/var/log/ovs-agent
cp -R dist package.json README.md LICENSE "$fresh"/
node scripts/copy-production-modules.mjs "$fresh/node_modules"
for program in dist/utils/*.js; do
  name=$(basename "$program" .js)
  if head -n 1 "$program" | grep -q '^#!'; then
    ln -s "../$program" "$fresh/bin/$name"
    ln -sfn "/opt/ovs-agent-2.2/bin/$name" "$programs/$name"
  fi
done
ln -s ../dist/utils/do_rpc.js "$fresh/utils/do_rpc.py"
ln -s ../dist/utils/db_kfv.js "$fresh/db/db_kfv.py"
ln -s ../dist/utils/db_del.js "$fresh/db/db_del.py"
ln -s /var/log/ovs-agent "$fresh/logs"
for name in ovs-makerepo ovs-offlinerepo; do ln -sfn "/opt/ovs-agent-2.2/bin/$name" "$destination/usr/lib/ovs/$name"; done
rm -rf "$home.old"
[ ! -e "$home" ] || mv "$home" "$home.old"
mv "$fresh" "$home"
rm -rf "$home.old"
ln -sfn /opt/ovs-agent-2.2 "$destination/opt/ovs-agent-latest"

# Settings belong to the administrator: the shipped file never takes the place of one that is there.
if [ -e "$destination/etc/ovs-agent/agent.ini" ]; then
  install -m 0644 etc/agent.ini "$destination/etc/ovs-agent/agent.ini.new"
else
  install -m 0644 etc/agent.ini "$destination/etc/ovs-agent/agent.ini"
fi
install -m 0644 -t "$units" systemd/ovs-agent.service systemd/ovsrepositories.service systemd/ovs-guests.service
if [ -z "$destination" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo "installed to $home"
echo 'next: "ovs-agent passwd" sets the password of admin, "systemctl enable --now ovs-agent" starts the agent'
