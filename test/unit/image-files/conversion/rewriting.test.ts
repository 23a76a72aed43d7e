import { describe, expect, it } from 'vitest';
import { paravirtualNames } from '../../../../src/image-files/conversion/device-names.ts';
import { rewriteFstab } from '../../../../src/image-files/conversion/fstab.ts';
import { rewriteGrub1Menu } from '../../../../src/image-files/conversion/grub1.ts';
import { rewriteGrub2Defaults, rewriteGrub2Menu } from '../../../../src/image-files/conversion/grub2.ts';
import { kernelSupport } from '../../../../src/image-files/conversion/kernels.ts';
import { rewriteModuleAliases } from '../../../../src/image-files/conversion/module-aliases.ts';
import { rewriteInittab, rewriteSecuretty } from '../../../../src/image-files/conversion/terminals.ts';
import { fstab, grubEl5, grubEl5Converted, inittabEl5, menuDebian, modprobeEl5 } from './guest-files.ts';

const disk = (target: string, isCdrom = false): { target: string; isCdrom: boolean } => ({ target, isCdrom });
const names = paravirtualNames([disk('hda')]);

describe('names of disks', () => {
  it.each([
    [
      'an IDE disk keeps its letter',
      [disk('hda'), disk('hdb')],
      { hda: 'xvda', hdb: 'xvdb', sda: 'xvda', sdb: 'xvdb' },
    ],
    ['a drive does not count for libata', [disk('hda'), disk('hdb', true), disk('hdc')], { sda: 'xvda', sdb: 'xvdc' }],
    ['a SCSI disk gets a letter that is free', [disk('sda'), disk('hda')], { hda: 'xvda', sda: 'xvdb' }],
    ['a paravirtual disk keeps its name', [disk('hda'), disk('xvda')], { xvda: 'xvda', hda: 'xvdb' }],
  ])('%s', (_what, disks, expected) => {
    expect(Object.fromEntries(paravirtualNames(disks))).toMatchObject(expected);
  });
});

describe('fstab', () => {
  it('of Enterprise Linux 5 has new names for its disks, and labels, volumes and comments as they were', () => {
    expect(rewriteFstab(fstab.el5, names)).toEqual({
      text: fstab.el5
        .replace('/dev/hda1               /boot', '/dev/xvda1               /boot')
        .replace('/dev/hda3', '/dev/xvda3'),
      left: [],
    });
  });

  it('of Debian names a disk that the guest does not have: it is listed and left', () => {
    const { left, text } = rewriteFstab(fstab.debian, names);
    expect(text).toBe(fstab.debian.replace('/dev/sda5 ', '/dev/xvda5 '));
    expect(left).toEqual([expect.stringContaining('"/dev/sdb1", which is no disk of the guest file') as string]);
  });

  it('of SLES names disks by their model: both are listed and left', () => {
    const { left, text } = rewriteFstab(fstab.sles, names);
    expect(text).toBe(fstab.sles);
    expect(left).toHaveLength(2);
    expect(left[0]).toContain('write its LABEL=, UUID=');
  });

  it('keeps line ends of DOS, and a last line without an end', () => {
    expect(rewriteFstab('/dev/hda1 / ext3 x 1 1\r\n/dev/hda2 swap', names).text).toBe(
      '/dev/xvda1 / ext3 x 1 1\r\n/dev/xvda2 swap',
    );
  });
});

describe('grub.conf', () => {
  it('of Enterprise Linux 5 boots the newest kernel for Xen, and names its disks and its console', () => {
    expect(rewriteGrub1Menu(grubEl5, '/boot/grub/grub.conf', names)).toEqual({
      text: grubEl5Converted,
      left: [],
      kernel: '/boot/vmlinuz-2.6.18-164.el5xen',
      support: { kind: 'named', console: 'xvc0' },
    });
  });

  it('that is converted already stays as it is', () => {
    expect(rewriteGrub1Menu(grubEl5Converted, '/boot/grub/grub.conf', names).text).toBe(grubEl5Converted);
  });

  it('without a default gets one, when the first entry is not for Xen', () => {
    const text = rewriteGrub1Menu(grubEl5.replace('default=0\n', ''), 'x', names).text;
    expect(text.startsWith('default=1\n# grub.conf')).toBe(true);
  });

  it('of Debian names the disks in what update-grub reads, too', () => {
    expect(rewriteGrub1Menu(menuDebian, '/boot/grub/menu.lst', names).text).toBe(
      menuDebian.replaceAll('/dev/sda1', '/dev/xvda1').replace('saved', '0'),
    );
  });

  it('takes a kernel of an entry that loads the hypervisor before it', () => {
    const menu =
      'default 0\ntitle plain\nkernel /vmlinuz-2.6.9-89.EL root=/dev/hda2\n' +
      'title Xen\nkernel /xen.gz-2.6.9-89.EL\nmodule /vmlinuz-2.6.9-89.ELxenU ro root=/dev/hda2\nmodule /initrd.img\n';
    const { kernel, text } = rewriteGrub1Menu(menu, 'x', names);
    expect([kernel, text]).toEqual([
      '/vmlinuz-2.6.9-89.ELxenU',
      menu.replace('default 0', 'default 1').replaceAll('/dev/hda2', '/dev/xvda2'),
    ]);
  });

  it('without a kernel for Xen is refused, with what to install', () => {
    const menu = 'default=0\ntitle a\nkernel /vmlinuz-2.6.18-164.el5 root=/dev/hda1\n';
    expect(() => rewriteGrub1Menu(menu, '/boot/grub/grub.conf', names)).toThrow(
      /no.*kernel that is known to run under Xen; install kernel-xen/,
    );
  });
});

describe('grub.cfg', () => {
  const menu = `set default="0"
menuentry 'Debian GNU/Linux' {
\tlinux\t/boot/vmlinuz-3.16.0-4-amd64 root=/dev/sda1 ro console=ttyS0
\tinitrd\t/boot/initrd.img-3.16.0-4-amd64
}
menuentry 'By identity' {
\tlinux\t/boot/vmlinuz-3.16.0-4-amd64 root=UUID=3f1c2b9e ro
}
`;

  it('has other names of disks and consoles, and nothing else', () => {
    expect(rewriteGrub2Menu(menu, '', 'x', names).text).toBe(
      menu.replace('/dev/sda1', '/dev/xvda1').replace('ttyS0', 'hvc0'),
    );
    const defaults = 'GRUB_DEFAULT=0\n# resume=/dev/sda5\nGRUB_CMDLINE_LINUX="resume=/dev/sda5 quiet"\n';
    expect(rewriteGrub2Defaults(defaults, 'x', names, 'hvc0').text).toBe(
      'GRUB_DEFAULT=0\n# resume=/dev/sda5\nGRUB_CMDLINE_LINUX="resume=/dev/xvda5 quiet"\n',
    );
  });

  it('of a kernel that cannot be paravirtual is refused', () => {
    const other = menu.replaceAll('3.16.0-4-amd64', '4.18.0-80.el8.x86_64');
    expect(() => rewriteGrub2Menu(other, '', 'x', names)).toThrow(/"Debian GNU\/Linux" is not known to run under Xen/);
  });
});

describe('kernels', () => {
  it.each([
    ['/boot/vmlinuz-2.6.18-164.el5xen', 'named', 'xvc0'],
    ['/vmlinuz-2.6.39-400.17.1.el6uek.x86_64', 'named', 'hvc0'],
    ['/boot/vmlinuz-2.6.32.12-0.7-xen', 'named', 'xvc0'],
    ['/boot/vmlinuz-2.6.32-5-xen-amd64', 'named', 'hvc0'],
    ['/vmlinuz-5.4.17-2011.el8uek.x86_64', 'named', 'hvc0'],
    ['/vmlinuz-2.6.32-71.el6.x86_64', 'general', 'hvc0'],
    ['/boot/vmlinuz-3.16.0-4-amd64', 'general', 'hvc0'],
    ['/vmlinuz-2.6.18-164.el5', 'none', 'hvc0'],
    ['/vmlinuz-4.18.0-80.el8.x86_64', 'none', 'hvc0'],
    ['/boot/memtest86', 'none', 'hvc0'],
  ])('%s: %s, console %s', (file, kind, console) => {
    expect(kernelSupport(file)).toEqual({ kind, console });
  });
});

describe('modprobe.conf', () => {
  it('of Enterprise Linux 5 names the drivers of Xen, and keeps the rest of each line', () => {
    expect(rewriteModuleAliases(modprobeEl5, '/etc/modprobe.conf', true)).toEqual({
      text: modprobeEl5
        .replace('8139cp', 'xennet')
        .replace('eth1 e1000 ', 'eth1 xennet ')
        .replace('ata_piix', 'xenblk'),
      left: [],
    });
  });

  it('without an adapter gets one, from which mkinitrd knows the driver of the root', () => {
    expect(rewriteModuleAliases('alias eth0 xennet\n', '/etc/modprobe.conf', true).text).toBe(
      'alias eth0 xennet\nalias scsi_hostadapter xenblk\n',
    );
    expect(rewriteModuleAliases('', '/etc/modprobe.d/x', false).text).toBe('');
  });

  it('with a driver of no emulated card is left, and listed', () => {
    const { left, text } = rewriteModuleAliases('alias eth0 bnx2\n', '/etc/modprobe.d/x', false);
    expect([text, left]).toEqual(['alias eth0 bnx2\n', [expect.stringContaining('"bnx2"') as string]]);
  });
});

describe('terminals', () => {
  it('of Enterprise Linux 5 get a login on the console of Xen, once', () => {
    const { text } = rewriteInittab(inittabEl5, 'xvc0');
    expect(text).toBe(`${inittabEl5}co:2345:respawn:/sbin/agetty xvc0 9600 vt100-nav\n`);
    expect(rewriteInittab(text, 'xvc0').text).toBe(text);
  });

  it('on a serial port move to the console, and Debian has its own getty', () => {
    expect(rewriteInittab('T0:23:respawn:/sbin/getty -L ttyS0 9600 vt100\n', 'hvc0').text).toBe(
      'T0:23:respawn:/sbin/getty -L hvc0 9600 vt100\n',
    );
    expect(rewriteInittab('1:2345:respawn:/sbin/getty 38400 tty1\n', 'hvc0').text).toContain(
      'co:2345:respawn:/sbin/getty 9600 hvc0\n',
    );
  });

  it('of upstart, whose inittab has none, stay as they are', () => {
    expect(rewriteInittab('id:3:initdefault:\n', 'hvc0').text).toBe('id:3:initdefault:\n');
  });

  it('let root log in on the console, once', () => {
    expect(rewriteSecuretty('console\ntty1', 'hvc0').text).toBe('console\ntty1\nhvc0\n');
    expect(rewriteSecuretty('hvc0\n', 'hvc0').text).toBe('hvc0\n');
  });
});
