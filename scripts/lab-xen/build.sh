#!/usr/bin/env bash
# Builds what the Xen lab boots: hypervisor, dom0's kernel, initrd and disk, and the key to it; see docs/xen-lab.md.
set -euo pipefail
# shellcheck source=scripts/lab-xen/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=scripts/system-packages.sh
source "$ROOT/scripts/system-packages.sh"

# Debian package, and the command that shows that it is there.
readonly SYSTEM_NEEDS=(
  'qemu-system-x86  qemu-system-x86_64 --version'
  'mmdebstrap       mmdebstrap --version'
  'openssh-client   ssh -V'
  'xz-utils         xz --version'
  'cpio             cpio --version'
  'kmod             modprobe --version'
  'e2fsprogs        mke2fs -V'
)

# Debian packages of dom0. Those of Xen are added: their names hold its version.
readonly DOM0_PACKAGES=(
  # what boots it and lets the host in
  systemd-sysv udev kmod openssh-server busybox-static bridge-utils xenstore-utils
  # the device model of HVM guests
  qemu-system-xen
  # what the agent and its tests call
  iproute2 bubblewrap util-linux procps grub-common qemu-utils e2fsprogs openssl curl python3-minimal
  # what Node.js is linked with
  libstdc++6
)

# 33 modules of 4000: 6 MiB in place of 391 MiB.
readonly DOM0_MODULES=(
  virtio_pci virtio_blk virtio_net virtio_console ext4 9p 9pnet_virtio bridge stp tun loop
  xen-netback xen-blkback xen-gntdev xen-gntalloc xen-evtchn xen-privcmd xenfs xen-acpi-processor
)
# ext4 asks for crc32c by its general name, which no dependency tells.
readonly INITRD_MODULES=(crc32c_generic virtio_pci virtio_blk ext4)
readonly GUEST_MODULES=(xen-netfront xen-blkfront crc32c_generic ext4)

# MiB that are free on dom0's disk: images of guests, states, dumps.
readonly FREE_MIB=1536

usage() {
  cat <<'USAGE'
Usage: scripts/lab-xen/build.sh [--force]

Makes var/lab-xen/image: xen, vmlinuz, initrd.img, dom0.img, and id_ed25519, the key of dom0's root. Nothing is done
when they were made from the Debian packages, the Node.js and the scripts that there are now. Needs root.

  --force    make it even so
USAGE
}

install_tools() {
  local missing
  mapfile -t missing < <(missing_system_packages)
  ((${#missing[@]} == 0)) || run_step "install Debian packages: ${missing[*]}" apt_install "${missing[@]}"
  mapfile -t missing < <(missing_system_packages)
  ((${#missing[@]} == 0)) || fail "installed, but still not usable: ${missing[*]}"
}

# depends_of PACKAGE NAME-PATTERN: what a metapackage stands for at present.
depends_of() {
  apt-cache depends "$1" 2>/dev/null | sed -n "s/^ *Depends: \($2\)\$/\1/p" | head -n 1
}

find_packages() {
  kernel_package=$(depends_of linux-image-amd64 'linux-image-.*')
  hypervisor_package=$(depends_of xen-system-amd64 'xen-hypervisor-.*-amd64')
  if [[ -z $kernel_package || -z $hypervisor_package ]]; then
    fail 'linux-image-amd64 or xen-system-amd64 is not in the package lists; run: apt-get update'
  fi
  kernel_release=${kernel_package#linux-image-}
  xen_utils=${hypervisor_package/hypervisor/utils}
  xen_utils=${xen_utils%-amd64}
}

# What the image is made from, as one digest.
stamp() {
  {
    (cd "$SOURCES" && find build.sh masked-units dom0-initrd.sh dom0-root guest-root -type f -exec sha256sum {} + | sort -k 2)
    apt-cache show --no-all-versions "$kernel_package" "$hypervisor_package" "$xen_utils" "${DOM0_PACKAGES[@]}" |
      grep -E '^(Package|Version):'
    node --version
  } | sha256sum
}

image_is_current() {
  local file
  for file in xen vmlinuz initrd.img dom0.img id_ed25519; do
    [[ -e $IMAGE/$file ]] || return 1
  done
  [[ -e $IMAGE/STAMP && $(<"$IMAGE/STAMP") == "$(stamp)" ]]
}

# Hypervisor, kernel and busybox are unpacked, never installed.
unpack_kernel() {
  mkdir -p "$WORK/debs" "$WORK/unpacked"
  (cd "$WORK/debs" && apt-get -qq -o Acquire::Retries=2 -o "APT::Sandbox::User=$(id -un)" \
    download "$hypervisor_package" "$kernel_package" busybox-static)
  local package
  for package in "$WORK"/debs/*.deb; do dpkg-deb -x "$package" "$WORK/unpacked"; done
  gunzip -c "$WORK"/unpacked/boot/xen-*.gz >"$WORK/image/xen"
  cp "$WORK/unpacked/boot/vmlinuz-$kernel_release" "$WORK/image/vmlinuz"
  depmod -b "$WORK/unpacked" "$kernel_release"
}

# modules_of NAME...: files of the modules and of those they need, in the order in which they load.
modules_of() {
  local name
  for name; do
    modprobe -d "$WORK/unpacked" -S "$kernel_release" --show-depends "$name"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# make_ramdisk DIRECTORY MODULE...: completes a root directory by busybox and modules, and packs it to standard output.
make_ramdisk() {
  local root=$1 applet file number=10
  shift
  mkdir -p "$root"/{bin,sbin,dev,proc,sys,modules}
  cp "$WORK/unpacked/bin/busybox" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
  done
  # The kernel calls these by their full names.
  for applet in init poweroff reboot; do ln -s ../bin/busybox "$root/sbin/$applet"; done
  while read -r file; do
    cp "$file" "$root/modules/$((number++))-$(basename "$file")"
  done < <(modules_of "$@")
  (cd "$root" && find . -print0 | cpio --null --quiet --create --format newc --owner 0:0)
}

make_dom0_initrd() {
  mkdir -p "$WORK/initrd"
  install -m 0755 "$SOURCES/dom0-initrd.sh" "$WORK/initrd/init"
  make_ramdisk "$WORK/initrd" "${INITRD_MODULES[@]}" >"$WORK/image/initrd.img"
}

# The Node.js of this machine as a Debian package, so that packages which depend on it install with plain dpkg.
make_node_package() {
  local node root=$WORK/nodejs
  node=$(readlink -f "$(command -v node)")
  install -D -m 0755 "$node" "$root/usr/bin/node"
  mkdir -p "$root/DEBIAN"
  cat >"$root/DEBIAN/control" <<CONTROL
Package: nodejs
Version: $(node -p process.versions.node)-1lab1
Architecture: amd64
Maintainer: the Xen lab <root@dom0>
Depends: libc6, libstdc++6
Description: Node.js of the machine that built the Xen lab
CONTROL
  # Uncompressed: it is unpacked once, at once.
  dpkg-deb --root-owner-group -Znone --build "$root" "$WORK/nodejs.deb"
}

bootstrap_dom0() {
  local sources=/etc/apt/sources.list.d/debian.sources codename
  [[ -e $sources ]] || sources=/etc/apt/sources.list
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  local packages=("${DOM0_PACKAGES[@]}" "$xen_utils" xen-utils-common)
  mmdebstrap --mode=root --variant=minbase --format=directory --include="$(IFS=, && echo "${packages[*]}")" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "2"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook="dpkg --root=\"\$1\" --install $WORK/nodejs.deb" \
    "$codename" "$DOM0" "$sources"
  rm -rf "$DOM0"/var/lib/apt/lists/* "$DOM0"/var/cache/apt/*
}

install_dom0_modules() {
  local file
  while read -r file; do
    install -D -m 0644 "$file" "$DOM0/usr${file#"$WORK/unpacked"}"
  done < <(modules_of "${DOM0_MODULES[@]}")
  cp "$WORK/unpacked/lib/modules/$kernel_release"/modules.{builtin,builtin.modinfo,order} "$DOM0/usr/lib/modules/$kernel_release/"
  depmod -b "$DOM0" "$kernel_release"
}

# The kernel as it is after its own unpacking: "xl create" needs 4 s less with it than with Debian's xz.
unpack_guest_kernel() {
  local start magic
  start=$(LC_ALL=C grep -abom1 $'\xfd7zXZ' "$WORK/image/vmlinuz" | head -n 1 | cut -d : -f 1)
  [[ -n $start ]] || { echo "no xz in $kernel_package" && return 1; }
  # What follows the packed kernel is no xz, of which xz complains at the end.
  tail -c "+$((start + 1))" "$WORK/image/vmlinuz" | xz -dc >"$DOM0/srv/xen/vmlinux" || true
  magic=$(head -c 4 "$DOM0/srv/xen/vmlinux")
  [[ $magic == $'\x7fELF' ]] || { echo "no kernel came out of $kernel_package" && return 1; }
}

install_guest() {
  mkdir -p "$DOM0/srv/xen"
  cp "$WORK/image/vmlinuz" "$DOM0/srv/xen/vmlinuz"
  unpack_guest_kernel
  cp -R "$SOURCES/guest-root" "$WORK/guest"
  ln -s sbin/init "$WORK/guest/init"
  make_ramdisk "$WORK/guest" "${GUEST_MODULES[@]}" | gzip -1 >"$DOM0/srv/xen/guest.img"
}

configure_dom0() {
  local unit
  cp -R --no-preserve=ownership "$SOURCES/dom0-root/." "$DOM0/"
  for unit in systemd-networkd lab-ready; do
    systemctl --quiet --root="$DOM0" enable "$unit.service"
  done
  while read -r unit; do
    ln -sf /dev/null "$DOM0/etc/systemd/system/$unit"
  done < <(sed '/^#/d' "$SOURCES/masked-units" | tr -s ' ' '\n')
  mkdir -p "$DOM0"/{project,var/log/xen/console}
  # What guests print goes to /var/log/xen/console/guest-NAME.log.
  echo 'XENCONSOLED_ARGS="--log=guest --timestamp=none"' >>"$DOM0/etc/default/xen"
  sed -i 's/^root:[^:]*:/root::/' "$DOM0/etc/shadow"
  ssh-keygen -q -t ed25519 -N '' -C lab-xen -f "$WORK/image/id_ed25519"
  chmod 0700 "$DOM0/root/.ssh"
  install -m 0600 "$WORK/image/id_ed25519" "$DOM0/root/.ssh/id_ed25519"
  install -m 0600 "$WORK/image/id_ed25519.pub" "$DOM0/root/.ssh/authorized_keys"
}

make_disk() {
  local used
  used=$(du -sm "$DOM0" | cut -f 1)
  # Without a journal: the disk is never used again after a crash.
  mke2fs -q -F -t ext4 -O ^has_journal -m 0 -L dom0 -d "$DOM0" "$WORK/image/dom0.img" "$((used + FREE_MIB))M"
}

build_image() {
  WORK=$LAB/work
  DOM0=$WORK/dom0
  # One file system: should the bootstrap be killed, what it has mounted below is not to be emptied.
  rm -rf --one-file-system "$WORK"
  mkdir -p "$WORK/image"
  trap 'rm -rf --one-file-system "$WORK"' EXIT
  run_step "unpack $hypervisor_package and $kernel_package" unpack_kernel
  run_step "make dom0's initrd" make_dom0_initrd
  run_step 'make a package of Node.js' make_node_package
  run_step "bootstrap dom0's system" bootstrap_dom0
  run_step "install dom0's modules" install_dom0_modules
  run_step "install the guest's kernel and ramdisk" install_guest
  run_step "configure dom0" configure_dom0
  run_step "make dom0's disk" make_disk
  stamp >"$WORK/image/STAMP"
  rm -rf "$IMAGE"
  mv "$WORK/image" "$IMAGE"
  say "made $IMAGE, $(du -sm "$IMAGE" | cut -f 1) MiB"
}

force=no
case ${1-} in
  '') ;;
  --force) force=yes ;;
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
command -v apt-get >/dev/null || fail 'the lab is made of Debian packages; this is no Debian machine'
command -v node >/dev/null || fail 'Node.js is missing; install the version that package.json asks for in "engines"'
((EUID == 0)) || fail "the image is made as root: sudo bash scripts/lab-xen/build.sh"

mkdir -p "$LAB"
exec 9>"$LAB/build.lock"
flock -n 9 || fail "somebody else builds the image just now"

started=$EPOCHREALTIME
install_tools
find_packages
if [[ $force == no ]] && image_is_current; then
  report "$started" 'image: up to date'
else
  build_image
fi
