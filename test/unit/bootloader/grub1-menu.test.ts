import { describe, expect, it } from 'vitest';
import { type BootMenu, defaultEntry, findEntry } from '../../../src/bootloader/grub-menu.ts';
import { parseGrub1Menu } from '../../../src/bootloader/grub1-menu.ts';
import { failureOf } from '../../support/failure-of.ts';
import { enterpriseLinux4, enterpriseLinux5, suse11 } from './menus.ts';

const parse = (text: string): BootMenu => parseGrub1Menu(text, 'menu.lst');
const bootOf = (text: string): unknown => parse(text).entries[0]?.boot;

describe('a menu of GRUB 1', () => {
  it('of Enterprise Linux 5 gives its entries and its default', () => {
    const menu = parse(enterpriseLinux5);
    expect(menu.entries.map(({ title }) => title)).toEqual([
      'Enterprise Linux (2.6.18-238.el5xen)',
      'Enterprise Linux (2.6.18-194.el5xen)',
      'Xen (2.6.18-194.el5xen)',
      'Other',
    ]);
    expect(defaultEntry(menu)).toEqual({ entry: menu.entries[1] });
    expect(menu.entries.map(({ boot }) => boot)).toEqual([
      {
        kernel: '/vmlinuz-2.6.18-238.el5xen',
        ramdisks: ['/initrd-2.6.18-238.el5xen.img'],
        commandLine: 'ro root=/dev/VolGroup00/LogVol00 rhgb quiet',
      },
      {
        kernel: '/vmlinuz-2.6.18-194.el5xen',
        ramdisks: ['/initrd-2.6.18-194.el5xen.img'],
        commandLine: 'ro root=/dev/VolGroup00/LogVol00 console=xvc0    numa=off',
      },
      {
        kernel: '/vmlinuz-2.6.18-194.el5xen',
        ramdisks: ['/initrd-2.6.18-194.el5xen.img'],
        commandLine: 'ro root=LABEL=/',
      },
      { refusal: 'it names no kernel' },
    ]);
  });

  it('of Enterprise Linux 4, with carriage returns and devices, gives its entry', () => {
    expect(parse(enterpriseLinux4)).toMatchObject({
      defaultEntry: '0',
      entries: [
        {
          title: 'Red Hat Enterprise Linux ES (2.6.9-89.0.0.0.1.ELxenU)',
          boot: {
            kernel: '/boot/vmlinuz-2.6.9-89.0.0.0.1.ELxenU',
            ramdisks: ['/boot/initrd-2.6.9-89.0.0.0.1.ELxenU.img'],
            commandLine: 'ro root=LABEL=/',
          },
        },
      ],
    });
  });

  it('of SUSE 11, with options before the kernel, gives its entries', () => {
    expect(parse(suse11).entries.map(({ boot }) => boot)).toEqual([
      {
        kernel: '/boot/vmlinuz-2.6.32.12-0.7-xen',
        ramdisks: ['/boot/initrd-2.6.32.12-0.7-xen'],
        commandLine: 'root=/dev/xvda2 resume=/dev/xvda1 splash=silent showopts vga=0x317',
      },
      {
        kernel: '/boot/vmlinuz-2.6.32.12-0.7-xen',
        ramdisks: ['/boot/initrd-2.6.32.12-0.7-xen'],
        commandLine: 'root=/dev/xvda2 showopts ide=nodma 3',
      },
    ]);
  });

  it.each(['saved', '7', '-1', 'x', '0x1', '1e0'])('whose default is %s boots its first entry, and says so', wanted => {
    const menu = parse(`default ${wanted}\ntitle one\nkernel /one\ntitle two\nkernel /two\n`);
    expect(defaultEntry(menu)).toEqual({
      entry: menu.entries[0],
      note: `the menu's default, "${wanted}", is not known; its first entry was taken`,
    });
  });

  it('without a default boots its first entry', () => {
    const menu = parse('title one\nkernel /one\n');
    expect(defaultEntry(menu)).toEqual({ entry: menu.entries[0] });
    expect(defaultEntry(parse(''))).toEqual({ entry: undefined });
  });

  it('keeps the order of words, also of those that look like others', () => {
    expect(bootOf('title=a = b\nkernel=/k title=x default=1')).toEqual({
      kernel: '/k',
      ramdisks: [],
      commandLine: 'title=x default=1',
    });
  });

  it('has no more than 500 entries', () => {
    const menu = (count: number): string => 'title x\nkernel /k\n'.repeat(count);
    expect(parse(menu(500)).entries).toHaveLength(500);
    expect(failureOf(() => parse(menu(501)))).toMatchObject({
      code: 'NOT_SUPPORTED',
      message: 'read menu.lst: it has more than 500 entries; a shorter menu is needed',
    });
  });

  it.each([
    ['a path that is not absolute', 'kernel vmlinuz', 'it names a file "vmlinuz", which is not an absolute path'],
    ['a list of blocks', 'kernel (hd0,0)0+1', 'it names a file "(hd0,0)0+1", which is not an absolute path'],
    ['a NUL in a path', 'kernel /a\0b', 'it names a file "/a b", which is not an absolute path'],
    ['a path without end', `kernel /${'x'.repeat(2000)}`, 'is not an absolute path'],
    ['a ramdisk that is not absolute', 'kernel /k\ninitrd ../x', 'it names a file "../x"'],
    ['a NUL in the arguments', 'kernel /k a\0b', 'its command line has a control character'],
    ['an escape in the arguments', 'kernel /k \x1b[2J', 'its command line has a control character'],
    ['arguments without end', `kernel /k ${'x '.repeat(3000)}`, 'its command line is longer than 4096 characters'],
    ['very many ramdisks', `kernel /k\ninitrd ${'/r '.repeat(20)}`, 'it has more than 8 ramdisks'],
    ['no kernel at all', 'kernel', 'it names no kernel'],
  ])('refuses an entry with %s', (_what, lines, refusal) => {
    expect(bootOf(`title x\n${lines}\n`)).toEqual({ refusal: expect.stringContaining(refusal) as string });
  });

  it.each([
    ['/../../etc/shadow', '/etc/shadow'],
    ['/a/./b//c/../d', '/a/b/d'],
    ['(host)/etc/shadow', '/etc/shadow'],
    ['(loop0,msdos2)/k', '/k'],
  ])('takes %s for %s of its own file system', (written, path) => {
    expect(bootOf(`title x\nkernel ${written}\n`)).toMatchObject({ kernel: path });
  });

  it.each(['(a)(host)/etc/shadow', '((host))/etc/shadow', '(host/etc/shadow', '(host) /etc/shadow'])(
    'refuses the device of %s',
    written => {
      expect(bootOf(`title x\nkernel ${written}\n`)).toHaveProperty('refusal');
    },
  );

  it('gives titles on one line and of bounded length', () => {
    expect(parse(`title a\x1b[31m\tb${'x'.repeat(1000)}\n`).entries[0]?.title).toMatch(/^a \[31m bx{200,260}$/);
  });

  it('is read in time when it is one line of 256 KiB', () => {
    const started = performance.now();
    for (const text of ['\\\n', ' ', 'title ', '=', 'kernel --a ', '--- '])
      parse(`title x\nkernel ${text.repeat(2 ** 18 / text.length)}`);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe('an entry that was asked for', () => {
  const menu = parse(enterpriseLinux5);

  it('is found by its number or its title', () => {
    expect(findEntry(menu, 2)).toBe(menu.entries[2]);
    expect(findEntry(menu, '2')).toBe(menu.entries[2]);
    expect(findEntry(menu, 'Xen (2.6.18-194.el5xen)')).toBe(menu.entries[2]);
  });

  it.each([4, '4', -1, 1.5, 'Xen', ''])('is not found by %s', wanted => {
    expect(findEntry(menu, wanted)).toBeUndefined();
  });
});
