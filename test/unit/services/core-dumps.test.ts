import { mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { SimulatedDriver } from '../../../src/drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import { type GuestPath, parseGuestPath } from '../../../src/model/guest-path.ts';
import { CoreDumps, type CoreDumpsParts } from '../../../src/services/core-dumps.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const MIB = 2 ** 20;
const web = parseGuestPath('/OVS/running_pool/web');
const mail = parseGuestPath('/OVS/running_pool/mail');
const context = { log: silentLog };

/** A driver whose dumps are as large as they are told to be. */
class DumpingDriver extends SimulatedDriver {
  sizeMib = 1;
  fails = false;
  during: () => void = () => undefined;

  override dumpCore(_path: GuestPath, file: string): Promise<void> {
    writeFileSync(file, Buffer.alloc(this.sizeMib * MIB), { mode: 0o444 });
    this.during();
    return this.fails ? Promise.reject(new Error('no')) : Promise.resolve();
  }
}

describe('core dumps', () => {
  let directory: string;
  let clock: ManualClock;
  let driver: DumpingDriver;

  beforeEach(() => {
    directory = join(temporaryDirectory(), 'dump');
    clock = new ManualClock();
    const machine = new SimulatedMachine();
    driver = new DumpingDriver(machine);
    for (const path of [web, mail]) machine.boot({ path, config: demoConfig('guest') });
  });

  const dumps = (changes: Partial<CoreDumpsParts> = {}): CoreDumps =>
    new CoreDumps({ driver, clock, directory, always: false, keptPerGuest: 2, spaceBytes: 100 * MIB, ...changes });
  const names = (): string[] => readdirSync(directory).sort();
  const plant = (name: string, mib = 1): void => {
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, name), Buffer.alloc(mib * MIB));
  };
  const dump = (of: CoreDumps, path: GuestPath, mib = 1): Promise<void> =>
    of.dump(path, mib, context, new AbortController().signal);
  const nextName = (guest: string): string =>
    `${guest}-${new Date(clock.now()).toISOString().replace(/[-:]|\.\d+/g, '')}.core`;

  it('are named after the guest and the moment, for root alone', async () => {
    await dump(dumps(), web);
    expect(names()).toEqual([nextName('web')]);
    expect(statSync(join(directory, names()[0]!)).mode & 0o777).toBe(0o600);
  });

  it('of one guest are kept up to a number, the oldest go', async () => {
    plant('web-20200101T000000Z.core');
    plant('web-20190101T000000Z.core');
    plant('mail-20180101T000000Z.core');
    await dump(dumps(), web);
    expect(names()).toEqual(['mail-20180101T000000Z.core', 'web-20200101T000000Z.core', nextName('web')].sort());
  });

  it('of all guests are kept up to a size, the oldest go', async () => {
    plant('mail-20180101T000000Z.core', 3);
    plant('db-20190101T000000Z.core', 3);
    plant('mail-20200101T000000Z.core', 3);
    await dump(dumps({ spaceBytes: 8 * MIB }), web, 4);
    expect(names()).toEqual(['mail-20200101T000000Z.core', nextName('web')]);
  });

  it('that turn out larger than the guest take the place of others, and stay themselves', async () => {
    plant('mail-20200101T000000Z.core', 3);
    driver.sizeMib = 6;
    await dump(dumps({ spaceBytes: 5 * MIB }), web, 1);
    expect(names()).toEqual([nextName('web')]);
  });

  it('that could never have room are not written, and nothing is removed for them', async () => {
    plant('web-20190101T000000Z.core');
    plant('web-20200101T000000Z.core');
    await dump(dumps({ spaceBytes: 5 * MIB }), web, 6);
    expect(names()).toEqual(['web-20190101T000000Z.core', 'web-20200101T000000Z.core']);
    await dump(dumps({ spaceBytes: 2 ** 50 }), web, 2 ** 28);
    expect(names()).toHaveLength(2);
  });

  it('are not written at all where no space is given', async () => {
    await dump(dumps({ spaceBytes: 0 }), web);
    mkdirSync(directory, { recursive: true });
    expect(names()).toEqual([]);
  });

  it('that fail leave nothing behind', async () => {
    driver.fails = true;
    await dump(dumps(), web);
    expect(names()).toEqual([]);
  });

  it('that are being written count, and are not removed', async () => {
    const all = dumps({ spaceBytes: 5 * MIB, keptPerGuest: 1 });
    let second: Promise<void> | undefined;
    driver.during = () => {
      driver.during = () => undefined;
      second = dump(all, mail, 3);
    };
    await dump(all, web, 3);
    await second;
    expect(names()).toEqual([nextName('web')]);
  });

  it('of two guests with one name in the same second have names of their own', async () => {
    const twin = parseGuestPath(`/var/ovs/mount/${'0123456789abcdef'.repeat(2)}/running_pool/web`);
    const all = dumps({ keptPerGuest: 3 });
    await Promise.all([web, twin].map(path => dump(all, path)));
    await dump(all, web);
    expect(names()).toEqual(['web-20260101T000000Z.core', 'web-20260101T000001Z.core', 'web-20260101T000002Z.core']);
  });

  it.each([
    'web-20190101T000000Z.core.bak',
    'web-20190101.core',
    '2009-0101-1200.30-web.5.core',
    '-20190101T000000Z.core',
    'a b-20190101T000000Z.core',
    'notes.txt',
  ])('%s is not one, and stays', async name => {
    plant(name, 4);
    plant('web-20200101T000000Z.core', 4);
    await dump(dumps({ spaceBytes: 5 * MIB, keptPerGuest: 1 }), web, 1);
    expect(names()).toEqual([name, nextName('web')].sort());
  });

  it('are files: what else has such a name stays', async () => {
    mkdirSync(join(directory, 'web-20180101T000000Z.core'), { recursive: true });
    symlinkSync('/etc/passwd', join(directory, 'web-20190101T000000Z.core'));
    await dump(dumps({ keptPerGuest: 1 }), web);
    expect(names()).toHaveLength(3);
  });

  it('that an agent left unfinished are removed, and nothing else', () => {
    for (const name of ['web-20190101T000000Z.core.part', 'web-20190101T000000Z.core', 'other.core.part']) plant(name);
    dumps().removeUnfinished();
    expect(names()).toEqual(['other.core.part', 'web-20190101T000000Z.core']);
  });
});
