#!/usr/bin/env bash
# Records in the running lab what xl says, for the tests that read it without a Xen host. The file is named by the version of Xen.
set -euo pipefail
# shellcheck source=scripts/lab-xen/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1-} in
  '') ;;
  -h | --help)
    echo 'Usage: scripts/lab-xen/record.sh'
    echo
    echo 'Runs some 70 commands of xl in the dom0 of the lab, which must be running, and writes test/recordings/xl-VERSION-lab.jsonl.'
    exit
    ;;
  *) fail "there is no option $1; see --help" ;;
esac

in_dom0() {
  bash "$SOURCES/lab.sh" ssh "$@"
}

bash "$SOURCES/lab.sh" mount
version=$(in_dom0 "xl info xen_version")
[[ $version =~ ^[0-9]+(\.[0-9]+)+$ ]] || fail "Xen says that its version is $version"
file=$ROOT/test/recordings/xl-$version-lab.jsonl
trap 'rm -f "$file.new"' EXIT
in_dom0 'node /project/scripts/lab-xen/record.mjs' >"$file.new"
mv "$file.new" "$file"
say "$(wc -l <"$file") commands are in $file"
