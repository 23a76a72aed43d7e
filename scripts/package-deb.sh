#!/usr/bin/env bash
# Makes a Debian package of the agent in build/, and prints its path last. PACKAGE_VERSION stands for the version of package.json.
# No system user is in it: the agent runs guests, mounts repositories and speaks to Xen, all of which only root may.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "${1:-}" = --help ]; then
  sed -n '2,3s/^# //p' "$0"
  exit 0
fi
[ -f dist/utils/ovs-agent.js ] || npm run --silent build >&2

version=${PACKAGE_VERSION:-$(node -p 'require("./package.json").version')}
architecture=$(dpkg --print-architecture)
# The same sources give the same package: no file in it is younger than the last change.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"

DESTDIR=$work UNIT_DIRECTORY=/lib/systemd/system PROGRAM_DIRECTORY=/usr/bin bash scripts/install-system.sh >&2
documents=$work/usr/share/doc/ovs-agent
mkdir -p "$documents" "$work/DEBIAN"
cp README.md docs/*.md "$documents"
cp packaging/debian/copyright "$documents/copyright"
gzip -9n <CHANGELOG.md >"$documents/changelog.gz"
node scripts/man-pages.mjs "$work/usr/share/man" "$(date --utc --date="@$SOURCE_DATE_EPOCH" +%F)"
find "$work" -type d -exec chmod u=rwx,go=rx {} +
chmod 0700 "$work/etc/ovs-agent" "$work/var/log/ovs-agent"
chmod -R go-w "$work"

size=$(du -sk --exclude=DEBIAN "$work" | cut -f 1)
for file in control postinst prerm postrm; do
  sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$architecture/; s/@INSTALLED_SIZE@/$size/" \
    -e "s/@NODE_VERSION@/$(node -p 'require("./package.json").engines.node.replace(">=", "")')/" \
    -e "s/@NODE_ABI@/$(node -p process.versions.modules)/" "packaging/debian/$file" >"$work/DEBIAN/$file"
  [ "$file" = control ] || chmod 0755 "$work/DEBIAN/$file"
done
echo /etc/ovs-agent/agent.ini >"$work/DEBIAN/conffiles"
(cd "$work" && find . -type f -not -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$work/DEBIAN/md5sums"
find "$work" -depth -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

mkdir -p build
package=build/ovs-agent_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip --build "$work" "$package" >&2
echo "$package"
