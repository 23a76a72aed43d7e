import type { Files } from '../../../support/disk-image.ts';
import { fstab, grubEl5, inittabEl5, modprobeEl5 } from './guest-files.ts';

/** What a conversion looks at in an installation of Enterprise Linux 5, and a few files that it must leave alone. */
export const treeEl5: Files = {
  'etc/fstab': fstab.el5,
  'etc/modprobe.conf': modprobeEl5,
  'etc/modprobe.d/blacklist': 'blacklist eth1394\n',
  'etc/inittab': inittabEl5,
  'etc/securetty': 'console\ntty1\n',
  'etc/grub.conf': { link: '../boot/grub/grub.conf' },
  'etc/sysconfig/network-scripts/ifcfg-eth0': 'DEVICE=eth0\nONBOOT=yes\n',
  'boot/grub/grub.conf': grubEl5,
  'boot/grub/menu.lst': { link: './grub.conf' },
  'boot/vmlinuz-2.6.18-164.el5xen': Buffer.alloc(100_000, 3),
};
