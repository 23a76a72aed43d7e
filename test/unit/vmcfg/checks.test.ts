import { describe, expect, it } from 'vitest';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { type CheckSubject, checkGuest, type Finding, findFix } from '../../../src/vmcfg/checks.ts';
import { GuestReader } from '../../../src/vmcfg/guest-reader.ts';
import { facts64 } from './guest-files.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const other = parseGuestPath('/OVS/running_pool/other');
const reader = new GuestReader(facts64);
const para = ["kernel = '/boot/vmlinuz'"];
const hvm = ["builder = 'hvm'", "serial = 'pty'"];

const host: CheckSubject['host'] = {
  memoryMib: 2048,
  processors: 4,
  accelerator: 'kvm',
  hasBridge: name => name === 'xenbr0',
  whyNoShares: undefined,
  filtersBridges: false,
  isXen: false,
  refusal: undefined,
};

function subject(
  lines: readonly string[],
  changes: Partial<Omit<CheckSubject, 'host'>> & { host?: object } = {},
): CheckSubject {
  const file = reader.readFile(Buffer.from(lines.join('\n')), path);
  return {
    path,
    file,
    config: reader.configOf(file, path),
    unusable: [],
    neighbours: [],
    ...changes,
    host: { ...host, ...changes.host },
  };
}

const codes = (found: readonly Finding[]): string[] => found.map(finding => finding.code);

/** The file after all fixes, and the codes that are left. */
function fixed(lines: readonly string[]): { readonly text: string; readonly left: string[] } {
  let bytes: Uint8Array = Buffer.from(lines.join('\n'));
  for (let count = 0; count < 20; count++) {
    const now = subject(Buffer.from(bytes).toString().split('\n'));
    const fix = findFix(now);
    if (!fix) return { text: Buffer.from(bytes).toString(), left: codes(checkGuest(now)) };
    bytes = reader.edit(bytes, path, fix.change);
  }
  throw new Error('the fixes have no end');
}

const neighbour = { path: other, isRunning: true, uuid: '00000000-0000-8000-a000-000000000001', macs: [], disks: [] };

describe('a guest file in order', () => {
  it.each([
    [
      [
        ...para,
        "vif = ['mac=00:16:3e:00:00:01, bridge=xenbr0']",
        "disk = ['file:/OVS/a,xvda,w']",
        'OVM_x = 1',
        'arch = 1',
      ],
    ],
    [
      [
        ...hvm,
        "boot = 'dc'",
        "disk = [',hdc:cdrom,r', 'file:/OVS/a,hda,w']",
        'vnc = 1',
        "vncpasswd = 'x'",
        "vnclisten = '0.0.0.0'",
      ],
    ],
  ])('has nothing to be found', lines => {
    expect(checkGuest(subject(lines))).toEqual([]);
  });
});

describe('what is found', () => {
  it.each<[code: string, severity: string, lines: string[], changes?: Parameters<typeof subject>[1]]>([
    ['FILE_UNUSABLE', 'error', para, { unusable: [{ key: 'kernel', reason: 'it is not there' }] }],
    ['REFUSED', 'error', para, { host: { refusal: 'it cannot be done; write something else' } }],
    ['MEMORY_TOO_LARGE', 'error', [...para, 'memory = 4096']],
    ['MAXMEM_BELOW_MEMORY', 'warning', [...para, 'memory = 512', "maxmem = '256'"]],
    ['VCPUS_TOO_MANY', 'warning', [...para, 'vcpus = 8']],
    ['CPUS_NOT_THERE', 'error', [...para, "cpus = '2-5'"]],
    ['NO_CPU_SHARES', 'warning', [...para, 'cpu_weight = 512'], { host: { whyNoShares: 'there are none' } }],
    ['NO_SUCH_BRIDGE', 'error', [...para, "vif = ['mac=00:16:3e:00:00:01, bridge=br9']"]],
    [
      'BRIDGE_FILTERED',
      'note',
      [...para, "vif = ['mac=00:16:3e:00:00:01, bridge=xenbr0']"],
      { host: { filtersBridges: true } },
    ],
    ['UUID_TWICE', 'error', [...para, `uuid = '${neighbour.uuid}'`], { neighbours: [neighbour] }],
    [
      'UUID_TWICE',
      'warning',
      [...para, `uuid = '${neighbour.uuid}'`],
      { neighbours: [{ ...neighbour, isRunning: false }] },
    ],
    [
      'MAC_TWICE',
      'error',
      [...para, "vif = ['mac=00:16:3E:00:00:01']"],
      { neighbours: [{ ...neighbour, macs: ['00:16:3e:00:00:01'] }] },
    ],
    [
      'DISK_IN_USE',
      'error',
      [...para, "disk = ['file:/OVS/a,xvda,w']"],
      { neighbours: [{ ...neighbour, disks: [{ source: '/OVS/a', mode: 'w' }] }] },
    ],
    [
      'DISK_IN_USE',
      'warning',
      [...para, "disk = ['file:/OVS/a,xvda,r']"],
      { neighbours: [{ ...neighbour, isRunning: false, disks: [{ source: '/OVS/a', mode: 'w!' }] }] },
    ],
    ['NAME_DIFFERS', 'warning', [...para, "name = 'another'"]],
    ['CDROM_AFTER_DISK', 'warning', [...hvm, "boot = 'dc'", "disk = ['file:/OVS/a,hda,w', ',hdc:cdrom,r']"]],
    ['PARTITION_OF_HVM', 'warning', [...hvm, "disk = ['file:/OVS/a,hdb1,w']"]],
    ['TAPDISK_OF_PARA', 'note', [...para, "disk = ['tap:aio:/OVS/a,xvda,w']"]],
    ['NO_CONSOLE', 'warning', ["builder = 'hvm'"]],
    ['OPEN_DISPLAY', 'warning', [...para, "vfb = ['type=vnc,vnclisten=0.0.0.0']"]],
    ['PASSWORD_TOO_LONG', 'note', [...hvm, 'vnc = 1', "vncpasswd = '123456789'"]],
    ['TIMER_MODE', 'note', [...hvm, "guest_os_type = 'windows'", 'timer_mode = 2']],
    ['TIMER_MODE', 'note', [...hvm, "guest_os_type = ''", "OVM_os_type = 'Oracle Linux 5'", 'timer_mode = 1']],
    ['VIRIDIAN_WITHOUT_KVM', 'note', [...hvm, 'viridian = 1'], { host: { accelerator: 'tcg' } }],
    ['WITHOUT_EFFECT', 'note', [...para, 'features = 1']],
    ['UNKNOWN_KEY', 'warning', [...para, 'memroy = 128']],
  ])('%s (%s)', (code, severity, lines, changes) => {
    const found = checkGuest(subject(lines, changes));
    expect(codes(found)).toEqual([code]);
    expect(found[0]).toMatchObject({ severity });
    expect(found[0]?.mend).not.toBe('');
    const line = lines.findIndex(text => text.startsWith(`${found[0]!.key} `));
    expect(found[0]?.line).toBe(line < 0 ? undefined : line + 1);
  });

  it.each<[why: string, lines: string[], changes?: Parameters<typeof subject>[1]]>([
    [
      'readers share a disk',
      [...para, "disk = ['file:/OVS/a,xvda,r']"],
      { neighbours: [{ ...neighbour, disks: [{ source: '/OVS/a', mode: 'r' }] }] },
    ],
    [
      'those who say w! share a disk',
      [...para, "disk = ['file:/OVS/a,xvda,w!']"],
      { neighbours: [{ ...neighbour, disks: [{ source: '/OVS/a', mode: 'w!' }] }] },
    ],
    ['a partition of a paravirtual guest is one', [...para, "disk = ['file:/OVS/a,sda1,w']"]],
    ['the disk comes first', [...hvm, "boot = 'cd'", "disk = ['file:/OVS/a,hda,w', ',hdc:cdrom,r']"]],
    ['the timer fits the system', [...hvm, "guest_os_type = 'windows'", 'timer_mode = 1']],
    [
      'the CD-ROM is hda itself',
      [...hvm, "boot = 'dc'", "disk = ['file:/OVS/x.iso,hda:cdrom,r', 'file:/OVS/y,hdb,w']"],
    ],
    ['an empty password lets nobody in', [...hvm, 'vnc = 1', "vnclisten = '0.0.0.0'", "vncpasswd = ''"]],
    ['a short name of a file is its own', [...para, 'cp = 1']],
    ['a key without effect is switched off', [...para, 'hap = 0', "features = ''", 'vtpm = []']],
    [
      'a key is harmless',
      [...hvm, "device_model = '/usr/lib/xen/bin/qemu-dm'", 'vncconsole = 1', 'vif_other_config = []'],
    ],
  ])('nothing, where %s', (_why, lines, changes) => {
    expect(checkGuest(subject(lines, changes))).toEqual([]);
  });
});

describe('what can be mended without harm', () => {
  it('is mended in place, one thing after the other, and is not found again', () => {
    const { left, text } = fixed([
      '# a guest',
      "builder = 'hvm'",
      "name = 'wrong'  # copied",
      'memory = 512',
      'maxmem = 128',
      "boot = 'dc'",
      "disk = ['file:/OVS/a,hda1,w',",
      "        'file:/OVS/b.iso,hdc:cdrom,r']",
      '',
    ]);
    expect(left).toEqual([]);
    expect(text).toBe(
      [
        '# a guest',
        "builder = 'hvm'",
        "name = 'guest'  # copied",
        'memory = 512',
        "boot = 'dc'",
        "disk = ['file:/OVS/b.iso,hdc:cdrom,r', 'file:/OVS/a,hda,w']",
        'vnc = 1',
        'vncunused = 1',
        '',
      ].join('\n'),
    );
  });
});
