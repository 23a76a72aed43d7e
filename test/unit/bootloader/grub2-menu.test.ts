import { describe, expect, it } from 'vitest';
import { type BootMenu, defaultEntry } from '../../../src/bootloader/grub-menu.ts';
import { parseGrub2Menu } from '../../../src/bootloader/grub2-menu.ts';
import {
  compareLoaderEntries,
  type LoaderEntry,
  parseGrubEnvironment,
  parseLoaderEntry,
} from '../../../src/bootloader/loader-entries.ts';
import { failureOf } from '../../support/failure-of.ts';
import { debian12, oracleLinux7, oracleLinux8, suse15 } from './menus.ts';

function parse(
  script: string,
  environment: Readonly<Record<string, string>> = {},
  loaderEntries: readonly LoaderEntry[] = [],
): BootMenu {
  return parseGrub2Menu({ script, name: 'grub.cfg', environment: new Map(Object.entries(environment)), loaderEntries });
}

/** What the first entry boots. */
const bootOf = (script: string, environment = {}): unknown => parse(script, environment).entries[0]?.boot;
const entryOf = (...commands: string[]): string => `menuentry 'x' {\n${commands.join('\n')}\n}\n`;
const commandLineOf = (script: string, environment = {}): unknown =>
  (bootOf(script, environment) as { commandLine: string }).commandLine;

describe('a menu of GRUB 2', () => {
  it('of Oracle Linux 7 gives its entries', () => {
    expect(parse(oracleLinux7).entries.map(({ title, boot }) => [title, boot])).toEqual([
      [
        'Oracle Linux Server (5.4.17-2102.201.3.el7uek.x86_64 with Unbreakable Enterprise Kernel) 7.9',
        {
          kernel: '/vmlinuz-5.4.17-2102.201.3.el7uek.x86_64',
          ramdisks: ['/initramfs-5.4.17-2102.201.3.el7uek.x86_64.img'],
          commandLine:
            'root=/dev/mapper/ol-root ro crashkernel=auto rd.lvm.lv=ol/root rd.lvm.lv=ol/swap rhgb quiet LANG=en_US.UTF-8',
        },
      ],
      [
        'Oracle Linux Server (3.10.0-1160.el7.x86_64) 7.9',
        {
          kernel: '/vmlinuz-3.10.0-1160.el7.x86_64',
          ramdisks: ['/initramfs-3.10.0-1160.el7.x86_64.img'],
          commandLine: 'root=/dev/mapper/ol-root ro',
        },
      ],
    ]);
  });

  it.each([
    ['nothing', {}, 0],
    ['a title', { saved_entry: 'Oracle Linux Server (3.10.0-1160.el7.x86_64) 7.9' }, 1],
    ['an id', { saved_entry: 'gnulinux-3.10.0-1160.el7.x86_64' }, 1],
    ['a number', { saved_entry: '1' }, 1],
    ['the entry before', { saved_entry: '0', prev_saved_entry: '1' }, 0],
  ])('boots the saved entry: %s', (_what, environment, index) => {
    const menu = parse(oracleLinux7, environment);
    expect(defaultEntry(menu)).toEqual({ entry: menu.entries[index] });
  });

  it('boots its first entry, and says so, when the saved one is gone', () => {
    const menu = parse(oracleLinux7, { saved_entry: 'gone' });
    expect(defaultEntry(menu)).toEqual({
      entry: menu.entries[0],
      note: 'the menu\'s default, "gone", is not known; its first entry was taken',
    });
  });

  it('of Debian gives its entries, those of submenus and of Xen too', () => {
    const menu = parse(debian12);
    const usual = { kernel: '/boot/vmlinuz-6.1.0-18-amd64', ramdisks: ['/boot/initrd.img-6.1.0-18-amd64'] };
    expect(menu.entries.map(({ title, boot }) => [title, boot])).toEqual([
      ['Debian GNU/Linux', { ...usual, commandLine: 'root=UUID=6f5e ro quiet' }],
      ['Debian GNU/Linux, with Linux 6.1.0-18-amd64', { ...usual, commandLine: 'root=UUID=6f5e ro quiet' }],
      [
        'Debian GNU/Linux, with Linux 6.1.0-18-amd64 (recovery mode)',
        { ...usual, commandLine: 'root=UUID=6f5e ro single' },
      ],
      ['Debian GNU/Linux, with Xen hypervisor', { ...usual, commandLine: 'root=UUID=6f5e ro quiet' }],
      ['UEFI Firmware Settings', { refusal: 'it names no kernel' }],
    ]);
    expect(defaultEntry(menu)).toEqual({ entry: menu.entries[0] });
  });

  it.each([
    ['1>1', 2],
    ['1', 1],
    ['2', 3],
    ['Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-18-amd64 (recovery mode)', 2],
    ['gnulinux-advanced-6f5e>gnulinux-6.1.0-18-amd64-recovery-6f5e', 2],
    ['gnulinux-advanced-6f5e>1', 2],
  ])('counts a submenu as one: %s is entry %i', (wanted, index) => {
    const menu = parse(debian12.replace('set default="0"', `set default="${wanted}"`));
    expect(defaultEntry(menu)).toEqual({ entry: menu.entries[index] });
  });

  it('of SUSE 15 gives its entry', () => {
    expect(bootOf(suse15)).toEqual({
      kernel: '/boot/vmlinuz-5.14.21-default',
      ramdisks: ['/boot/initrd-5.14.21-default'],
      commandLine: 'root=UUID=77aa splash=silent security=apparmor',
    });
  });

  it('of Oracle Linux 8 takes its entries from files, newest first', () => {
    const entries = ['4.18.0-80.el8', '5.4.17-2136.el8uek', '4.18.0-193.el8', '0-rescue'].map(version => {
      const text = `title Oracle Linux Server (${version}) 8\nversion ${version}\nlinux /vmlinuz-${version}\ninitrd /initramfs-${version}.img $tuned_initrd\noptions $kernelopts $tuned_params\nid ol-${version}\ngrub_users $grub_users\n`;
      return parseLoaderEntry(`2f1c-${version}.conf`, text)!;
    });
    const menu = parse(oracleLinux8, { saved_entry: '2f1c-4.18.0-193.el8' }, entries.sort(compareLoaderEntries));
    expect(menu.entries.map(({ trail }) => trail[0]?.id)).toEqual([
      '2f1c-5.4.17-2136.el8uek',
      '2f1c-4.18.0-193.el8',
      '2f1c-4.18.0-80.el8',
      '2f1c-0-rescue',
      undefined,
    ]);
    expect(defaultEntry(menu)).toEqual({ entry: menu.entries[1] });
    expect(menu.entries[1]?.boot).toEqual({
      kernel: '/vmlinuz-4.18.0-193.el8',
      ramdisks: ['/initramfs-4.18.0-193.el8.img'],
      commandLine: 'root=/dev/mapper/ol-root ro crashkernel=auto',
    });
    expect(parse(oracleLinux8, { kernelopts: 'root=/dev/xvda1' }, entries).entries[0]?.boot).toMatchObject({
      commandLine: 'root=/dev/xvda1',
    });
  });

  it('refuses one entry alone when its file cannot be read', () => {
    const broken = parseLoaderEntry('a.conf', 'linux /k\noptions "x\n')!;
    const whole = parseLoaderEntry('b.conf', 'linux /k\noptions "x y"\n')!;
    expect(parse('blscfg\n', {}, [broken, whole]).entries.map(({ boot }) => boot)).toEqual([
      { refusal: 'its file cannot be read: a quote is not closed' },
      { kernel: '/k', ramdisks: [], commandLine: '"x y"' },
    ]);
    expect(parseLoaderEntry('c.conf', 'title Windows\nefi /x.efi\n')).toBeUndefined();
  });

  it.each([
    ['one line', "menuentry 'x' { linux /k a; initrd /r; }"],
    ['lines', "menuentry 'x' {\nlinux /k a\ninitrd /r\n}"],
    ['carriage returns', "menuentry 'x' {\r\nlinux /k a\r\ninitrd /r\r\n}\r\n"],
    ['a continued line', "menuentry 'x' {\nlinux /k \\\n a\ninitrd /r\n}"],
    ['comments', "# {\nmenuentry 'x' { # }\nlinux /k a # b\n# linux /other\ninitrd /r\n}"],
    ['devices', "menuentry 'x' {\nlinux ($root)/k a\ninitrd (hd0,gpt2)/r\n}"],
    ['an option of the command', "menuentry 'x' {\nlinux --verbose /k a\ninitrd /r\n}"],
    ['a loop around something else', "for x in a b; do\n set y=$x\ndone\nmenuentry 'x' {\nlinux /k a\ninitrd /r\n}"],
    ['a function of that name', "function linux { true; }\nmenuentry 'x' {\nlinux /k a\ninitrd /r\n}"],
  ])('is understood with %s', (_what, script) => {
    expect(bootOf(script)).toEqual({ kernel: '/k', ramdisks: ['/r'], commandLine: 'a' });
  });

  it.each([
    [`linux /k "a b" 'c' d\\ e f=\\$g`, '"a b" c "d e" f=$g'],
    ['linux /k a=${v} b=$v.c "$v" \'$v\'', 'a=1 2 b=1 2.c "1 2" $v'],
    ['linux /k $empty a "$empty"', 'a'],
    ['linux /k rd.luks=1 a#b {c} x{y', 'rd.luks=1 a#b {c} x{y'],
    ['linux /k a=;linux /k b', 'b'],
    ['set v=3\nlinux /k $v', '3'],
    ['if [ $v = 1 ]; then linux /k one; else linux /k other; fi', 'other'],
    ['if [ "$v" = "1 2" ]; then\nlinux /k one\nelse\nlinux /k other\nfi', 'one'],
    ['if [ "$v" != "1 2" ]; then linux /k one; elif [ -n "$v" ]; then linux /k two; fi', 'two'],
    ['if [ ! -z "$v" ]; then linux /k one; else linux /k other; fi', 'one'],
    ['if [ ! -f /x ]; then linux /k one; else linux /k other; fi', 'other'],
    ['if test -z "$v"; then linux /k one; else linux /k other; fi', 'other'],
    ['if true; then linux /k one; fi', 'one'],
  ])('reads %s as %s', (commands, commandLine) => {
    expect(commandLineOf(entryOf(commands), { v: '1 2', empty: '' })).toBe(commandLine);
  });

  it('uses variables as they are at the end of the menu, and those of an entry only in it', () => {
    const script = `${entryOf('set b=inner', 'linux /k $a $b')}${entryOf('linux /k $a $b')}set a=last\nset b=outer\nunset c\n`;
    expect(parse(script, { a: 'first' }).entries.map(({ boot }) => boot)).toMatchObject([
      { commandLine: 'last inner' },
      { commandLine: 'last outer' },
    ]);
  });

  it.each([
    ['linux /k root=${root}', 'root'],
    ['linux /k $kernelopts', 'kernelopts'],
    ['linux /k-$version', 'version'],
    ['linux /k\ninitrd $initrd', 'initrd'],
    ['linux /k $1', '1'],
  ])('refuses an entry that says %s when nothing sets %s', (commands, name) => {
    expect(bootOf(entryOf(commands))).toEqual({ refusal: `it uses the variable "${name}", which nothing sets` });
  });

  it.each([
    ['is not closed in an entry', 'menuentry x {\n', 'it ends where } is needed'],
    ['is not closed in a condition', 'if true; then\n', 'it ends where elif or else or fi is needed'],
    ['has no then', 'if true\n', 'it ends where then is needed'],
    ['is not closed in a loop', 'while true; do x\n', 'it ends where done is needed'],
    ['has an open single quote', "set x='a\n", 'a quote is not closed'],
    ['has an open double quote', 'set x="a\n', 'a quote is not closed'],
    ['is nested too deeply', 'submenu x {\n'.repeat(5000), 'its blocks are nested deeper than 32 levels'],
    ['asks too deeply', 'if x; then\n'.repeat(5000), 'its blocks are nested deeper than 32 levels'],
    ['has too many entries', entryOf('linux /k').repeat(501), 'it has more than 500 entries'],
    [
      'doubles a variable again and again',
      `set a=xxxxxxxx\n${'set a=$a$a\n'.repeat(60)}`,
      'its words come to more than 4194304 characters',
    ],
    [
      'repeats a long variable again and again',
      `set a=${'x'.repeat(5000)}\n${entryOf(...Array.from({ length: 5000 }, () => 'linux /k $a'))}`,
      'its words come to more than 4194304 characters',
    ],
  ])('that %s is refused', (_what, script, said) => {
    expect(failureOf(() => parse(script))).toMatchObject({
      code: 'NOT_SUPPORTED',
      message: `read grub.cfg: ${said}; a menu that GRUB 2 takes is needed`,
    });
  });

  it('is read or refused in time, whatever 256 KiB of it are', () => {
    const started = performance.now();
    for (const text of [
      '{',
      '{ ',
      '} ',
      '$',
      '${',
      '\\',
      '"',
      "'",
      'a ',
      'if ',
      'x\n',
      '$a',
      '[ ',
      ';',
      '#',
      '\0',
      ' \t',
    ]) {
      try {
        parse(`menuentry x {\nlinux /k ${text.repeat(2 ** 18 / text.length)}\n}`);
      } catch (error) {
        expect(error).toMatchObject({ code: 'NOT_SUPPORTED' });
      }
    }
    expect(performance.now() - started).toBeLessThan(15_000);
  });

  it('has no entry when it is text of another kind', () => {
    expect(parse('').entries).toEqual([]);
    expect(parse('title x\nkernel /k\n').entries).toEqual([]);
  });
});

describe('the variables that GRUB saves', () => {
  it('are read, except that of the next boot alone', () => {
    const text = `# GRUB Environment Block\nsaved_entry=a b=c\nkernelopts=root=/dev/x \\\\ y\nnext_entry=9\n1=2\n${'#'.repeat(500)}`;
    expect([...parseGrubEnvironment(text)]).toEqual([
      ['saved_entry', 'a b=c'],
      ['kernelopts', 'root=/dev/x \\ y'],
    ]);
  });
});
