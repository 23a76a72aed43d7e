import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { decodeGuestFile, GuestFileError, parseGuestFile } from '../../../src/vmcfg/reader.ts';
import {
  anyArchitectureFile,
  exampleFile,
  facts32,
  facts64,
  hardwareFile,
  paravirtualFile,
  valuesOf,
} from './guest-files.ts';

describe('the guest files of the guide', () => {
  it('are read: a paravirtual guest', () => {
    expect(valuesOf(paravirtualFile)).toEqual({
      bootloader: '/usr/bin/pygrub',
      disk: ['file:/OVS/running_pool/10_EL5_PVM/System.img,xvda,w', 'file:/OVS/running_pool/10_EL5_PVM/u01.img,xvdb,w'],
      memory: '1024',
      name: '10_EL5_PVM',
      on_crash: 'restart',
      on_reboot: 'restart',
      uuid: 'd9ee4cfc-7f1a-4f0e-b7a1-3a6e5fd0a4b2',
      vcpus: 1,
      vfb: ['type=vnc,vncunused=1,vnclisten=0.0.0.0,vncpasswd=welcome1'],
      vif: ['mac=00:16:3E:43:FD:1B, bridge=xenbr0', 'mac=00:16:3E:43:FD:1C, bridge=xenbr1'],
      vif_other_config: [],
    });
  });

  it('are read: a hardware-virtualized guest', () => {
    expect(valuesOf(hardwareFile)).toEqual({
      acpi: 1,
      apic: 1,
      builder: 'hvm',
      device_model: '/usr/lib/xen/bin/qemu-dm',
      disk: ['file:/OVS/running_pool/12_win/System.img,hda,w', ',hdc:cdrom,r'],
      kernel: '/usr/lib/xen/boot/hvmloader',
      memory: '512',
      name: '12_win',
      on_crash: 'restart',
      on_reboot: 'restart',
      pae: 1,
      sdl: 0,
      serial: 'pty',
      timer_mode: '0',
      usbdevice: 'tablet',
      uuid: '5e1f4e0c-9c1a-4b8e-a0e5-0d3b7a1c2f6d',
      vcpus: 1,
      vif: ['type=ioemu, mac=00:16:3E:5A:0C:7E, bridge=xenbr0'],
      vif_other_config: [],
      vnc: 1,
      vncconsole: 1,
      vnclisten: '0.0.0.0',
      vncpasswd: 'welcome1',
      vncunused: 1,
    });
  });

  it.each([
    ['x86_64', facts64, 'lib64', '/usr/lib64/xen/bin/qemu-dm'],
    ['i686', facts32, 'lib', '/usr/lib/xen/bin/qemu-dm'],
  ])('choose the device model by the machine they are read on: %s', (arch, facts, libraryFolder, deviceModel) => {
    expect(valuesOf(anyArchitectureFile, facts)).toEqual({
      arch,
      arch_libdir: libraryFolder,
      device_model: deviceModel,
      kernel: '/usr/lib/xen/boot/hvmloader',
      builder: 'hvm',
    });
  });
});

describe("the example files of Xen's tools", () => {
  it('are read with their comments, calculations and continued lines', () => {
    expect(valuesOf(exampleFile)).toEqual({
      arch: 'x86_64',
      arch_libdir: 'lib64',
      kernel: '/boot/vmlinuz-2.6.10-xenU',
      memory: 64,
      vmid: 3,
      name: 'ExampleDomain3',
      vcpus: 1,
      vif: ['mac=00:16:3e:00:00:11, bridge=xenbr0'],
      disk: ['phy:hda1,hda1,w', 'file:/var/images/ExampleDomain3.img,hdb,w'],
      root: '/dev/hda1 ro',
      extra: '4 VMID=3',
      on_poweroff: 'destroy',
      on_reboot: 'restart',
      on_crash: 'restart',
      device_model: '/usr/lib64/xen/bin/qemu-dm',
    });
  });
});

describe('what is read', () => {
  it('has the names in the order in which they were first set, with the place of the last assignment', () => {
    const file = parseGuestFile("b = 1; a = 2\n\n  # comment\nif a:\n\tb = c = '3'\na += 1\n", facts64);
    expect([...file.values()]).toEqual([
      { name: 'b', value: '3', line: 5, column: 2 },
      { name: 'a', value: 3, line: 6, column: 1 },
      { name: 'c', value: '3', line: 5, column: 6 },
    ]);
    expect([...file.keys()]).toEqual(['b', 'a', 'c']);
  });

  it('holds no names but those of the file', () => {
    const file = parseGuestFile("__proto__ = 1\nconstructor = 'x'\nimport os, re\n", facts64);
    expect([...file.keys()]).toEqual(['__proto__', 'constructor']);
    expect(() => parseGuestFile('x = toString', facts64)).toThrow('"toString" has no value here');
    expect(() => parseGuestFile('x = len.constructor("")', facts64)).toThrow('"len.constructor" is not understood');
  });

  it('is nothing for a file without a statement', () => {
    expect(parseGuestFile('', facts64).size).toBe(0);
    expect(parseGuestFile('\n  # only a comment\n\f\n"""a text\nthat says something"""', facts64).size).toBe(0);
  });
});

describe('a refusal', () => {
  it('is a BAD_CONFIG of the agent with the place, in the message and by itself', () => {
    let thrown: unknown;
    try {
      parseGuestFile("name = 'a'\nmemory = 512 MB\n", facts64);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(AgentError);
    expect(thrown).toBeInstanceOf(GuestFileError);
    expect(thrown).toMatchObject({
      code: 'BAD_CONFIG',
      line: 2,
      column: 14,
      message: 'line 2, column 14: "MB" stands here; the end of the line is needed',
    });
  });

  it('shows the text that is not understood bounded, on one line and with nothing invisible', () => {
    const message = (text: string): string => {
      try {
        parseGuestFile(text, facts64);
        return 'read';
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(message(`x = 1 ${'y'.repeat(100)}`)).toBe(
      `line 1, column 7: "${'y'.repeat(40)}…" stands here; the end of the line is needed`,
    );
    expect(message("x = 1 '''a\n\tb'''")).toBe(
      `line 1, column 7: "'''a\\n\\tb'''" stands here; the end of the line is needed`,
    );
    expect(message('x = 1\u202e')).toBe(
      `line 1, column 6: "\\u{202e}" stands here; outside of texts and comments only Python's own characters are understood`,
    );
  });
});

describe('the bytes of a file', () => {
  it('are UTF-8', () => {
    const text = "name = 'é日\u{1f600}'\r\n";
    expect(decodeGuestFile(Buffer.from(text))).toBe(text);
  });

  it('are Latin-1 where they are not UTF-8, and not the Windows code page that is like it', () => {
    expect(decodeGuestFile(Uint8Array.of(0x27, 0xe9, 0x27, 0x80, 0x9f))).toBe("'é'\u0080\u009f");
  });

  it('keep byte-order mark and line ends, so that places in the text are places in the file', () => {
    const bytes = Buffer.from("\ufeffa = 1\r\nb = '''x\ry'''\r");
    const text = decodeGuestFile(bytes);
    expect(Buffer.from(text)).toEqual(bytes);
    const file = parseGuestFile(text, facts64);
    expect([...file.values()]).toEqual([
      { name: 'a', value: 1, line: 1, column: 1 },
      { name: 'b', value: 'x\ny', line: 2, column: 1 },
    ]);
  });

  it('are refused as UTF-16, with the place of its first NUL', () => {
    const bytes = Buffer.from('\ufeffname = 1', 'utf16le');
    expect(() => parseGuestFile(decodeGuestFile(bytes), facts64)).toThrow(
      'line 1, column 4: a NUL character stands here; a text file in UTF-8 is needed',
    );
  });
});
