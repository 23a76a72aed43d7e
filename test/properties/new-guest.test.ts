import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentError } from '../../src/errors.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { type NewGuest, parseNewGuest } from '../../src/model/new-guest.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { newGuestFile, placeDisks } from '../../src/vmcfg/new-guest-file.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_261_124);
const path = parseGuestPath('/OVS/running_pool/guest');
const reader = new GuestReader(facts64);
const filled = {
  uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
  macs: Array.from({ length: 8 }, (_, index) => `00:16:3e:00:00:0${index}`),
};

const CHARACTERS = Array.from('aZ09 ,=:;\'"\\/.$`\n\t\0[](){}#%é日');
const harmless = fc.string({
  unit: fc.constantFrom(...Array.from('aZ09=:;\'"\\$`[](){}#%é日')),
  minLength: 1,
  maxLength: 12,
});
const nasty = fc.oneof(
  { weight: 9, arbitrary: harmless },
  { weight: 1, arbitrary: fc.string({ unit: fc.constantFrom(...CHARACTERS), maxLength: 12 }) },
);
const absolute = nasty.map(text => `/OVS/${text}`);
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const disk = fc.oneof(
  fc.record({ size: fc.integer({ min: 1, max: 99_999 }), preallocate: maybe(fc.boolean()) }),
  fc.record({
    file: absolute,
    driver: maybe(fc.constantFrom('file', 'tap:aio')),
    mode: maybe(fc.constantFrom('r', 'w', 'w!')),
  }),
  fc.record({ device: absolute.map(text => `/dev${text}`) }),
  fc.record({ kind: fc.constant('cdrom'), file: maybe(absolute) }),
);
const display = fc.oneof(
  fc.record({ type: fc.constantFrom('none', 'sdl'), keymap: maybe(fc.constantFrom('de', 'en-us')) }),
  fc.record({
    type: fc.constant('vnc'),
    password: maybe(nasty),
    port: maybe(fc.integer({ min: 5900, max: 15_899 })),
    keymap: maybe(fc.constantFrom('de', 'en-us')),
    listen: maybe(fc.constantFrom('0.0.0.0', '::1')),
  }),
);
const install = fc.oneof(
  fc.record({ from: fc.constant('iso'), iso: absolute, live: maybe(fc.boolean()) }),
  fc.record({ from: fc.constant('tree'), location: nasty.map(text => `http://a/${text}`), arguments: nasty }),
  fc.record({ from: fc.constantFrom('network', 'disk') }),
);
const guestStruct = fc.record({
  type: fc.constantFrom('hvm', 'para'),
  memory: fc.integer({ min: 1, max: 100_000 }),
  vcpus: fc.integer({ min: 1, max: 8 }),
  disks: fc.array(disk, { maxLength: 6 }),
  vifs: fc.array(fc.record({ bridge: maybe(fc.constantFrom('xenbr0', 'a.b-c_d')) }), { maxLength: 8 }),
  display,
  install,
  keys: maybe(fc.record({ extra: nasty, root: nasty })),
});

/** What is not refused; undefined for the rest, which must be refused by a code of the closed list. */
function acceptedOrRefused<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    expect((error as AgentError).code).toBe('BAD_VALUE');
    return undefined;
  }
}

describe('any description of a new guest', () => {
  it('is refused, or has a file that is read back as the same guest', () => {
    let accepted = 0;
    fc.assert(
      fc.property(guestStruct, struct => {
        const guest = acceptedOrRefused(() => parseNewGuest(struct));
        const text = guest && acceptedOrRefused(() => newGuestFile(path, guest, filled));
        if (guest === undefined || text === undefined) return;
        accepted += 1;
        expectSame(guest, text);
      }),
      { seed, numRuns: 3000 },
    );
    expect(accepted).toBeGreaterThan(300);
  });

  it('of any shape whatever is refused by name, or taken', () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), value => {
        expect(acceptedOrRefused(() => parseNewGuest(value))).toBeUndefined();
      }),
      { seed, numRuns: 2000 },
    );
  });
});

function expectSame(guest: NewGuest, text: string): void {
  const config = reader.readConfig(Buffer.from(text), path);
  expect(config).toMatchObject({ kind: guest.type, memoryMib: guest.memory, vcpus: guest.vcpus, name: 'guest' });
  expect(placeDisks(path, guest)).toMatchObject(config.disks);
  expect(config.networkInterfaces.map(({ bridge, mac }) => ({ bridge, mac }))).toEqual(
    guest.vifs.map(({ bridge }, index) => ({ bridge, mac: filled.macs[index] })),
  );
  const { keymap, listen = '127.0.0.1', password, port, type } = guest.display;
  expect(config.display).toEqual(
    type === 'vnc' ? { listen, number: port === undefined ? undefined : port - 5900, password } : undefined,
  );
  // A paravirtual guest without a display has no keyboard either.
  expect(config.keymap).toBe(keymap);
}
