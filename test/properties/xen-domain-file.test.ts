import { describe, expect, it } from 'vitest';
import { domainFile } from '../../src/drivers/xen/domain-file.ts';
import { whyNotOnXen } from '../../src/drivers/xen/refusals.ts';
import { AgentError } from '../../src/errors.ts';
import type { Disk, GuestConfig, NetworkInterface } from '../../src/model/guest-config.ts';
import { xenKeys } from '../../src/vmcfg/xen-options.ts';
import { demoConfig } from '../support/guest-config.ts';
import { seededRandom } from '../support/random.ts';
import { parseXlConfig, type XlValue } from '../support/xl-config.ts';
import { Chance } from './chance.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_261_124);
const configs = 20_000;
const chance = new Chance(seededRandom(seed));

/** Keys of the file that come from what the agent understood. */
const OWN_KEYS = new Set(
  'name uuid type memory maxmem vcpus maxvcpus cpus cpu_weight cap boot kernel ramdisk cmdline disk vif vfb acpi apic pae hpet viridian timer_mode localtime rtc_timeoffset serial usb usbdevice vga videoram sdl vnc vnclisten vncdisplay vncunused vncpasswd keymap pci on_poweroff on_reboot on_crash on_watchdog on_soft_reset'.split(
    ' ',
  ),
);

/** Letters of all kinds but the one that no guest file can hold. */
const text = (): string => chance.text().replaceAll('\0', '"');
const maybe = <T>(make: () => T): T | undefined => (chance.is(0.5) ? make() : undefined);

function disk(index: number): Disk {
  return {
    source: chance.is(0.9) ? `/OVS/${text()}${text()}` : undefined,
    sourceKind: chance.one(['file', 'device']),
    format: chance.one(['raw', 'qcow2']),
    target: `xvd${String.fromCharCode(97 + index)}`,
    isCdrom: chance.is(0.3),
    mode: chance.one(['r', 'w', 'w!']),
  };
}

function card(index: number): NetworkInterface {
  return {
    mac: `00:16:3e:00:00:0${index}`,
    bridge: maybe(() => chance.one(['xenbr0', 'br-lan', 'br_1.5'])),
    kind: chance.one(['emulated', 'paravirtual']),
    model: maybe(() => chance.one(['e1000', 'virtio-net-pci'])),
    hostName: maybe(() => 'vif.a-b_c'),
    rateLimit: maybe(() => chance.integer(1, 10_000_000_000)),
  };
}

function config(): GuestConfig {
  const kind = chance.one(['para', 'hvm'] as const);
  return demoConfig(chance.is(0.5) ? text() : 'guest', {
    kind,
    memoryMib: chance.integer(1, 1_000_000),
    maxMemoryMib: chance.integer(1, 1_000_000),
    vcpus: chance.integer(1, 200),
    maxVcpus: chance.integer(1, 200),
    pinning: chance.times(0, 3, () => chance.times(1, 4, () => chance.integer(0, 99))),
    share: { weight: maybe(() => chance.integer(1, 65_535)), capPercent: maybe(() => chance.integer(0, 400)) },
    boot:
      kind === 'hvm'
        ? { from: 'firmware', order: chance.one(['c', 'dcn']) }
        : { from: 'kernel', kernel: `/${text()}`, ramdisk: maybe(() => `/${text()}`), commandLine: text() + text() },
    disks: chance.times(0, 4, disk),
    networkInterfaces: chance.times(0, 3, card),
    display: maybe(() => ({
      listen: chance.one(['127.0.0.1', '0.0.0.0', '::1']),
      number: maybe(() => chance.integer(0, 99)),
      password: maybe(text),
    })),
    video: maybe(() => ({ card: chance.one(['cirrus', 'standard']), memoryMib: maybe(() => 16) })),
    serialPorts: chance.times(0, 3, () => chance.one(['console', 'none'])),
    clock: { localTime: chance.is(0.5), offsetSeconds: chance.integer(-90_000, 90_000) },
    usb: chance.is(0.5),
    pointers: chance.times(0, 2, () => chance.one(['tablet', 'mouse'])),
    keymap: maybe(() => chance.one(['de', 'en-us'])),
    pciDevices: chance.times(0, 2, index => `0000:0${index}:00.0`),
    xen: {
      isPvh: kind === 'para' && chance.is(0.5),
      keys: {
        ...(chance.is(0.5) ? { hap: '1', pool: 'Pool-0' } : {}),
        ...(chance.is(0.3) ? { cpuid: ['1:ecx=0x1', '2:edx=s'] } : {}),
      },
    },
    ends: {
      poweroff: chance.one(['destroy', 'restart', 'preserve', 'rename-restart']),
      reboot: chance.one(['destroy', 'restart', 'preserve', 'rename-restart']),
      crash: chance.one(['destroy', 'restart', 'preserve', 'rename-restart']),
      dumpsCore: chance.is(0.5),
    },
  });
}

const listAt = (keys: ReadonlyMap<string, XlValue>, key: string): readonly string[] => {
  const value = keys.get(key);
  if (value === undefined || typeof value === 'string') throw new Error(`${key} is no list`);
  return value;
};

/** xl splits at commas until a path begins, which goes to the end of its line (libxlu_disk_l.l), less a comma at its end. */
function diskAsXlReads(specification: string): ReadonlyMap<string, string> {
  const [whole, options, target] = /^((?:[a-z]+=[^,\n]*,?)*?)(?:target=([^\n]*))?$/.exec(specification) ?? [];
  if (whole === undefined) throw new Error(`xl does not read ${specification}`);
  const pairs = options!.split(',').filter(part => part !== '');
  const read = new Map(pairs.map(part => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]));
  return target === undefined ? read : read.set('target', target.replace(/,$/, ''));
}

function cardAsXlReads(specification: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    specification.split(',').map(part => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
}

function checkDisks(guest: GuestConfig, specifications: readonly string[]): void {
  const disks = guest.disks.filter(({ source }) => source !== undefined || guest.kind === 'hvm');
  expect(specifications).toHaveLength(disks.length);
  for (const [index, { format, isCdrom, mode, source, target }] of disks.entries()) {
    expect(Object.fromEntries(diskAsXlReads(specifications[index]!))).toEqual({
      format,
      vdev: target,
      access: mode === 'r' ? 'ro' : 'rw',
      ...(isCdrom && guest.kind === 'hvm' ? { devtype: 'cdrom' } : {}),
      ...(source === undefined ? {} : { target: source }),
    });
  }
}

function checkCards(guest: GuestConfig, specifications: readonly string[]): void {
  expect(specifications).toHaveLength(guest.networkInterfaces.length);
  for (const [index, { bridge, hostName, mac, rateLimit }] of guest.networkInterfaces.entries()) {
    const read = cardAsXlReads(specifications[index]!);
    expect(read).toMatchObject({ mac, bridge: bridge ?? 'xenbr0' });
    expect(read['vifname']).toBe(hostName);
    expect(read['rate']?.replace(/^[1-9]\d*Kb\/s$/, '')).toBe(rateLimit === undefined ? undefined : '');
    for (const key of Object.keys(read)) expect(['mac', 'bridge', 'type', 'model', 'vifname', 'rate']).toContain(key);
  }
}

function checkDisplay(guest: GuestConfig, keys: ReadonlyMap<string, XlValue>): void {
  const { display, kind } = guest;
  const isOffered = display !== undefined && display.password !== '';
  const read =
    kind === 'hvm' ? Object.fromEntries(keys) : keys.has('vfb') ? cardAsXlReads(listAt(keys, 'vfb')[0]!) : { vnc: '0' };
  expect(read['vnc']).toBe(isOffered ? '1' : '0');
  expect(read['vncpasswd']).toBe(isOffered ? display.password : undefined);
  expect(read['vnclisten']).toBe(isOffered ? display.listen : undefined);
}

function check(guest: GuestConfig, file: string): void {
  const keys = parseXlConfig(file);
  for (const key of keys.keys()) expect(OWN_KEYS.has(key) || xenKeys.includes(key), key).toBe(true);
  for (const end of ['poweroff', 'reboot', 'crash', 'watchdog', 'soft_reset'])
    expect(keys.get(`on_${end}`)).toBe('preserve');
  const { boot, clock, maxMemoryMib, memoryMib, name, pinning, uuid, xen } = guest;
  expect(Object.fromEntries(keys)).toMatchObject({
    name,
    uuid,
    memory: String(memoryMib),
    maxmem: String(maxMemoryMib),
    type: guest.kind === 'hvm' ? 'hvm' : xen.isPvh ? 'pvh' : 'pv',
    ...xen.keys,
  });
  expect(keys.get('kernel')).toBe(boot.from === 'kernel' ? boot.kernel : undefined);
  expect(keys.get('ramdisk')).toBe(boot.from === 'kernel' ? boot.ramdisk : undefined);
  expect(keys.get('cmdline')).toBe(boot.from === 'kernel' ? boot.commandLine : undefined);
  if (guest.kind === 'hvm') expect(keys.get('rtc_timeoffset') ?? '0').toBe(String(clock.offsetSeconds));
  const sets = pinning.map(set => set.join(','));
  expect(keys.get('cpus')).toEqual(sets.length > 1 ? sets : sets[0]);
  checkDisks(guest, listAt(keys, 'disk'));
  checkCards(guest, listAt(keys, 'vif'));
  checkDisplay(guest, keys);
}

describe('the domain file of any guest that Xen is given', () => {
  it('is read by xl as what was put in, one key a line, and keeps the domain at every end', () => {
    let written = 0;
    for (let count = 0; count < configs; count++) {
      const guest = config();
      // Which bridges there are is the server's matter.
      if (whyNotOnXen({ ...guest, networkInterfaces: [] }, true) !== undefined) continue;
      const file = domainFile(guest);
      try {
        check(guest, file);
      } catch (error) {
        throw new Error(`seed ${seed}, guest ${count}: ${JSON.stringify(guest)}\n${file}`, { cause: error });
      }
      written += 1;
    }
    expect(written).toBeGreaterThan(configs / 10);
  });

  it('is refused, and not written otherwise, where a path would be read as something else', () => {
    let refused = 0;
    for (let count = 0; count < configs; count++) {
      const guest = { ...config(), disks: [disk(0)], display: undefined };
      let file: string;
      try {
        file = domainFile(guest);
      } catch (error) {
        expect(error).toBeInstanceOf(AgentError);
        expect(error).toMatchObject({ code: 'NOT_SUPPORTED' });
        refused += 1;
        continue;
      }
      checkDisks(guest, listAt(parseXlConfig(file), 'disk'));
    }
    expect(refused).toBeGreaterThan(configs / 10);
    expect(refused).toBeLessThan(configs);
  });
});
