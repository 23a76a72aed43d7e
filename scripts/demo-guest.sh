#!/usr/bin/env bash
# Makes the demo guest, a tiny Linux that boots in seconds without hardware virtualization; see docs/demo-guest.md.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT
readonly ROOTFS=$ROOT/scripts/demo-guest/rootfs
readonly CACHE="${XDG_CACHE_HOME:-${HOME:?}/.cache}/ovs-agent"
readonly DEBS=$CACHE/debs
# The kernel for virtual machines: fewer drivers than linux-image-amd64, and half its boot time.
readonly KERNEL_METAPACKAGE=linux-image-cloud-amd64

# Debian keeps modprobe and depmod where an ordinary user's PATH may not look.
export PATH=$PATH:/usr/sbin:/sbin

usage() {
  cat <<'USAGE'
Usage: scripts/demo-guest.sh [--force] [OUT]

Makes OUT/vmlinuz, OUT/initramfs.img and OUT/VERSION from Debian packages that are downloaded and unpacked, never
installed; needs no root. OUT is var/demo-guest below the repository's root if not given. Nothing is done when OUT
holds the current kernel package and the current inputs, or when it holds the current inputs and Debian cannot be reached.

  --force    make it even so
USAGE
}

say() {
  echo "demo-guest: $*"
}

fail() {
  say "$*" >&2
  exit 1
}

# Options for every apt command: empty for the system's package lists.
apt_lists=()

# use_own_package_lists: fetches lists of our own, since root alone may refresh those of the system.
use_own_package_lists() {
  apt_lists=(-o "Dir::State::lists=$CACHE/apt/lists" -o "Dir::Cache=$CACHE/apt")
  mkdir -p "$CACHE"/apt/{lists,archives}/partial
  apt-get "${apt_lists[@]}" -qq -o Acquire::Retries=2 update
}

# find_kernel_package: the name of the package that holds the current kernel; the metapackage only depends on it.
find_kernel_package() {
  apt-cache "${apt_lists[@]}" depends "$KERNEL_METAPACKAGE" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p' | head -n 1
}

# find_packages: "name version" of each package that the guest is made of, the kernel's first.
find_packages() {
  local kernel
  kernel=$(find_kernel_package)
  [[ -n $kernel ]] || return 1
  apt-cache "${apt_lists[@]}" show --no-all-versions "$kernel" busybox-static |
    awk '$1 == "Package:" { name = $2 } $1 == "Version:" { print name, $2 }'
}

# download_packages PACKAGES: puts the files into the cache; apt checks the hash of one that is there already.
download_packages() {
  [[ -n $1 ]] || return 1
  mkdir -p "$DEBS"
  # shellcheck disable=SC2046 # one argument per package
  (cd "$DEBS" && apt-get "${apt_lists[@]}" -qq -o Acquire::Retries=2 -o "APT::Sandbox::User=$(id -un)" \
    download $(tr ' ' '=' <<<"$1"))
}

# unpack_package "NAME VERSION" INTO
unpack_package() {
  local name version directory
  read -r name version <<<"$1"
  mkdir -p "$2"
  dpkg-deb -x "$DEBS/${name}_${version//:/%3a}_"*.deb "$2"
  # /bin and /lib up to Debian 12, /usr/bin and /usr/lib from Debian 13 on.
  for directory in bin lib; do
    [[ -e $2/$directory || ! -e $2/usr/$directory ]] || ln -s "usr/$directory" "$2/$directory"
  done
}

# print_inputs_hash: of every file of ours that makes the guest, with its name and mode.
print_inputs_hash() {
  (cd "$ROOT/scripts" && find demo-guest.sh demo-guest -type f -printf '%p %m\n' -exec sha256sum {} \; | sort | sha256sum | cut -c 1-16)
}

# add_modules KERNEL_TREE RELEASE INTO: the modules of etc/modules and what they depend on.
add_modules() {
  local tree=$1 release=$2 into=$3 module
  depmod -b "$tree" "$release"
  while read -r module; do
    modprobe -d "$tree" -S "$release" --show-depends "$module"
  done <"$ROOTFS/etc/modules" | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r file; do
    install -D -m 644 "$file" "$into${file#"$tree"}"
  done
  depmod -b "$into" "$release" 2>/dev/null
}

# make_initramfs WORK RELEASE OUTPUT: not compressed, for the guest would spend longer on that than QEMU on loading it.
make_initramfs() {
  local work=$1 release=$2 output=$3 tree=$1/initramfs applet
  cp -R "$ROOTFS" "$tree"
  mkdir -p "$tree"/{dev,proc,sys,tmp,mnt}
  cp "$work/busybox/bin/busybox" "$tree/bin/busybox"
  for applet in $("$tree/bin/busybox" --list); do
    [[ -e $tree/bin/$applet ]] || ln -s busybox "$tree/bin/$applet"
  done
  ln -s bin "$tree/sbin"
  ln -s bin/busybox "$tree/init"
  add_modules "$work/kernel" "$release" "$tree"
  find "$tree" -exec touch -h -d @0 {} +
  (cd "$tree" && find . | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --reproducible) >"$output"
}

# make_guest PACKAGES VERSION
make_guest() {
  local work=$OUT/.work release
  rm -rf "$work"
  unpack_package "${1%%$'\n'*}" "$work/kernel"
  unpack_package "${1##*$'\n'}" "$work/busybox"
  release=$(basename "$work"/kernel/lib/modules/*)
  make_initramfs "$work" "$release" "$work/initramfs.img"
  # VERSION is what says that the others are complete: gone first, back last.
  rm -f "$OUT/VERSION"
  mv "$work/kernel/boot/vmlinuz-$release" "$OUT/vmlinuz"
  mv "$work/initramfs.img" "$OUT/initramfs.img"
  echo "$2" >"$work/VERSION"
  mv "$work/VERSION" "$OUT/VERSION"
  rm -rf "$work"
}

force=no
OUT=$ROOT/var/demo-guest
for argument in "$@"; do
  case $argument in
    --force) force=yes ;;
    -h | --help)
      usage
      exit
      ;;
    -*)
      usage >&2
      exit 2
      ;;
    *) OUT=$argument ;;
  esac
done
for command in apt-get dpkg-deb cpio depmod modprobe; do
  command -v "$command" >/dev/null || fail "$command is missing; run scripts/setup.sh"
done

mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
exec 9>"$OUT/.lock"
flock 9

inputs="inputs $(print_inputs_hash)"
stands=no # whether OUT holds what today's inputs make, of whatever packages
[[ $force = yes ]] || ! grep -qsx "$inputs" "$OUT/VERSION" || stands=yes
# Asking apt takes a second: it can say something new only after its lists were.
[[ $stands = no || /var/lib/apt/lists -nt $OUT/VERSION ]] || { say "$OUT is up to date"; exit 0; }
packages=$(find_packages || true)
if [[ $stands = yes && $(<"$OUT/VERSION") = "$inputs"$'\n'"$packages" ]]; then
  touch "$OUT/VERSION"
  say "$OUT is up to date"
  exit
fi
if ! download_packages "$packages"; then
  say "no download by the package lists of the system; getting lists of our own into $CACHE/apt"
  if ! { use_own_package_lists && packages=$(find_packages) && download_packages "$packages"; }; then
    [[ $stands = no ]] || { say "cannot get Debian's packages; $OUT stays as it is"; exit 0; }
    fail "cannot get $KERNEL_METAPACKAGE and busybox-static; 'apt-get download busybox-static' must work on this machine"
  fi
fi
make_guest "$packages" "$inputs"$'\n'"$packages"
say "made $OUT ($(du -h "$OUT/vmlinuz" | cut -f 1) kernel, $(du -h "$OUT/initramfs.img" | cut -f 1) initramfs)"
