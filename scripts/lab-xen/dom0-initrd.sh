#!/bin/busybox sh
# shellcheck shell=dash
# The init of dom0's initrd: loads what the root file system needs, and goes over to it.
bb=/bin/busybox
$bb mkdir -p /dev /proc /sys /root
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
$bb mount -t devtmpfs dev /dev
for module in /modules/*; do $bb insmod "$module"; done
waited=0
while [ ! -b /dev/vda ] && [ $waited -lt 600 ]; do
  $bb sleep 0.1
  waited=$((waited + 1))
done
$bb mount -t ext4 -o rw,noatime /dev/vda /root || exec $bb sh
for place in dev proc sys; do $bb mount --move /$place /root/$place; done
exec $bb switch_root /root /sbin/init
