import { describe, expect, it } from 'vitest';
import { qemuArguments } from '../../src/drivers/qemu/arguments.ts';
import { AgentError } from '../../src/errors.ts';
import type { GuestConfig } from '../../src/model/guest-config.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { type CheckSubject, checkGuest } from '../../src/vmcfg/checks.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { knownKeys } from '../../src/vmcfg/known-keys.ts';
import { parseDisk, printDisk } from '../../src/vmcfg/disk.ts';
import { seededRandom } from '../support/random.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_100_210);
const files = 20_000;
const path = parseGuestPath('/OVS/running_pool/guest');
const reader = new GuestReader(facts64);
const random = seededRandom(seed);
const below = (limit: number): number => Math.floor(random() * limit);
const pick = <T>(items: readonly T[]): T => items[below(items.length)]!;

const words = [
  "''",
  "' '",
  "'0'",
  "'1'",
  "'512'",
  "'-1'",
  "'pty'",
  "'none'",
  "'dc'",
  "'hvm'",
  "'tablet'",
  "'restart'",
  "'coredump-destroy'",
  "'file:/OVS/a,xvda,w'",
  "'phy:sdb,hdb,r'",
  "',hdc:cdrom,r'",
  "'tap:qcow2:/OVS/b,sda1,w!'",
  "'a,b,c'",
  "',,,,'",
  "'mac=00:16:3e:00:00:01'",
  "'bridge=xenbr0, rate=1MB/s'",
  "'type=ioemu,model=e1000'",
  "'vnc=1,vncpasswd=x,,='",
  "'0-3,^1'",
  "'^0'",
  "'01:00.0'",
  "'/usr/bin/pygrub'",
  "'/OVS/vmlinuz'",
  "'root=/dev/xvda1 ro'",
  "'\\x00'",
  "'a\\nb'",
  "'é'",
  "'${HOME}'",
  "'../../x'",
  "'x' * 5000",
  '0',
  '1',
  '-1',
  '256',
  '99999999999999999999',
  '1.5',
  'True',
  'False',
  'None',
  '[]',
  '()',
  '{}',
  "{'a': 1}",
  '[[]]',
  '[None]',
  '[1, 2]',
  "['pty', 'null']",
  "('file:/OVS/a,xvda,w',)",
];

function value(): string {
  return below(4) === 0 ? `[${Array.from({ length: below(4) }, () => pick(words)).join(', ')}]` : pick(words);
}

function file(): string {
  const keys = Array.from({ length: 1 + below(8) }, () => pick(Object.keys(knownKeys)));
  const start = pick(["kernel = '/OVS/vmlinuz'", "builder = 'hvm'", "bootloader = '/usr/bin/pygrub'", '']);
  return [start, ...keys.map(key => `${key} = ${value()}`)].join('\n');
}

const host: CheckSubject['host'] = {
  memoryMib: 512,
  processors: 2,
  accelerator: 'tcg',
  hasBridge: () => false,
  whyNoShares: 'none',
  filtersBridges: true,
  isXen: false,
  refusal: undefined,
};

describe('a guest file with any values under its keys', () => {
  it('is a guest, or is refused with a sentence; a guest has a command line and can be checked', () => {
    let guests = 0;
    for (let count = 0; count < files; count++) {
      const text = file();
      let config: GuestConfig;
      try {
        config = reader.readConfig(Buffer.from(text), path);
      } catch (error) {
        expect(error, text).toBeInstanceOf(AgentError);
        expect((error as AgentError).code, text).toBe('BAD_CONFIG');
        continue;
      }
      guests += 1;
      const args = qemuArguments(
        config,
        { accelerator: 'tcg', userNetwork: 'restricted', vncPorts: { first: 5900, last: 5999 } },
        { monitor: '/q', serial: '/s', agent: '/a', processId: '/p', interfacePrefix: 'vm0' },
        { now: new Date(0), localOffsetSeconds: 0 },
      );
      expect(
        args.every(arg => !arg.includes('\0')),
        text,
      ).toBe(true);
      expect(config.maxMemoryMib, text).toBeGreaterThanOrEqual(config.memoryMib);
      expect(config.maxVcpus, text).toBeGreaterThanOrEqual(config.vcpus);
      const parsed = reader.readFile(Buffer.from(text), path);
      checkGuest({ path, file: parsed, config, host, unusable: [], neighbours: [] });
      for (const disk of config.disks) expect(parseDisk(printDisk(disk)), text).toEqual(disk);
    }
    expect(guests).toBeGreaterThan(files / 20);
  });
});
