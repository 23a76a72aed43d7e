import { rmSync, statSync } from 'node:fs';
import { type Duplex, PassThrough, Readable, Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentError } from '../../src/errors.ts';
import {
  type DomainEvent,
  type DomainStatistics,
  type Driver,
  type Holdings,
  type StartPlan,
} from '../../src/drivers/driver.ts';
import type { Disk, EndPolicy, GuestConfig, NetworkInterface } from '../../src/model/guest-config.ts';
import { type GuestPath, parseGuestPath } from '../../src/model/guest-path.ts';
import { silentLog } from '../support/silent-log.ts';
import { waitUntil as waitFor } from '../support/wait.ts';

/** What the contract needs of a hypervisor beside its driver. */
export interface DriverHarness {
  /** A driver for the same machine: a second one finds what the first one started. */
  makeDriver(): Driver;
  plan(path: GuestPath, ends: EndPolicy, changes?: Partial<GuestConfig>): StartPlan;
  /** A new empty image on this machine. */
  makeImage(name: string): string;
  /** Waits until the system inside answers its power button. */
  untilUp(path: GuestPath): Promise<void>;
  /** The system inside computes for a while, and writes and reads some of its first disk. */
  workInside(path: GuestPath): Promise<void>;
  /** The system inside powers off, or crashes, of its own accord. */
  powerOffInside(path: GuestPath): Promise<void>;
  crashInside(path: GuestPath): Promise<void>;
  /** The system inside restarts of its own accord. */
  rebootInside(path: GuestPath): Promise<void>;
  /** Its system powers off while nobody looks: the driver is closed first. */
  endUnseen(path: GuestPath, close: () => Promise<void>): Promise<void>;
  /** An agent inside begins to answer, and powers the system off when it is asked to. */
  answerAgentInside(path: GuestPath): Promise<void>;
  /** A file that is to be the image of a disk, on a file system with less room than it claims. */
  makeTightImage(): { readonly file: string; readonly free: () => void };
  /** The system inside writes all over its disk; returns without waiting for it. */
  fillDiskInside(path: GuestPath, target: string): Promise<void>;
  /** Waits until the system inside has done with writing all over its disk, and tells whether all of it could be written. */
  untilFilled(path: GuestPath): Promise<boolean>;
  /** Somebody else runs a domain on this machine. */
  plantStranger(name: string): Promise<{ readonly id: number }>;
  /** Whether the stranger still runs. */
  isStrangerAlive(id: number): boolean;
  /** Ends every domain and removes every file. */
  dispose(): Promise<void>;
}

/** What hypervisors do each in their own way. */
export interface DriverTraits {
  /** Whether an agent inside can be asked to power off. */
  readonly hasGuestAgents: boolean;
  /** Whether a domain is stopped when a disk of it fails; else the system inside is told of the failure. */
  readonly stopsAtDiskErrors: boolean;
  /** Whether its displays can ask for a password; else a guest that wants that is refused. */
  readonly hasVncPasswords: boolean;
  /** Whether the hypervisor itself keeps how a system ended while nobody looked. */
  readonly remembersEnds: boolean;
  /** Whether a domain that is reset is the same one, and not another in its place. */
  readonly keepsIdAtReset: boolean;
  /** By how much the machine is slower than one with nothing else to do. */
  readonly slowness: number;
}

const traitsOfQemu: DriverTraits = {
  hasGuestAgents: true,
  stopsAtDiskErrors: true,
  hasVncPasswords: true,
  remembersEnds: false,
  keepsIdAtReset: true,
  slowness: 1,
};

const path = parseGuestPath('/OVS/running_pool/contract');
const other = parseGuestPath('/OVS/running_pool/other');
const usual: EndPolicy = { poweroff: 'destroy', reboot: 'restart', crash: 'restart', dumpsCore: false };
const context = { log: silentLog };

/** What every driver does, whatever its hypervisor is. */
export function driverContract(name: string, makeHarness: () => DriverHarness, traits = traitsOfQemu): void {
  const waitUntil = (
    what: string,
    isTrue: () => boolean | Promise<boolean>,
    ms = 15_000,
    lookMs?: number,
  ): Promise<void> => waitFor(what, isTrue, ms * traits.slowness, lookMs);

  describe(`the ${name} driver`, () => {
    let harness: DriverHarness;
    let driver: Driver;
    let events: DomainEvent[];

    beforeEach(async () => {
      harness = makeHarness();
      driver = await ready();
      events = [];
      driver.onEvent(event => events.push(event));
    });

    afterEach(async () => {
      await driver.close();
      await harness.dispose();
    });

    async function ready(): Promise<Driver> {
      const made = harness.makeDriver();
      await made.probe();
      await made.adopt(context);
      return made;
    }

    const stateOf = async (which = path): Promise<string> => (await driver.inspect(which)).state;
    const untilState = (state: string): Promise<void> =>
      waitUntil(`the domain is ${state}`, async () => (await stateOf()) === state, 30_000);
    async function untilOpen(): Promise<Duplex> {
      let line: Duplex | undefined;
      await waitUntil('the serial port is open', async () => {
        line = await driver.openSerial(path).catch(() => undefined);
        return line !== undefined;
      });
      return line!;
    }
    const untilEnded = (): Promise<void> =>
      waitUntil('the driver tells that the domain ended', () =>
        events.some(event => event.kind === 'ended' && event.path === path),
      );

    it('says that it can be used here, and in which version', async () => {
      const probe = await driver.probe();
      expect(probe).toMatchObject({ usable: true });
      expect(probe.usable && probe.version).toMatch(/^\d/);
    });

    it('knows no domain at first', async () => {
      expect(await driver.list()).toEqual([]);
      expect(await driver.inspect(path)).toMatchObject({ path, state: 'absent' });
    });

    it('runs a domain when start returns', async () => {
      const started = await driver.start(harness.plan(path, usual), context);
      expect(started).toMatchObject({ path, state: 'running', ends: usual });
      expect(await driver.list()).toEqual([started]);
    });

    it('refuses to start a domain twice and leaves the first alone', async () => {
      const first = await driver.start(harness.plan(path, usual), context);
      await expect(driver.start(harness.plan(path, usual), context)).rejects.toMatchObject({ code: 'HYPERVISOR' });
      expect(await driver.inspect(path)).toEqual(first);
    });

    it('pauses and unpauses', async () => {
      await driver.start(harness.plan(path, usual), context);
      await driver.pause(path, context);
      // Nothing more than paused.
      await driver.pause(path, context);
      expect(await stateOf()).toBe('paused');
      await driver.unpause(path, context);
      expect(await stateOf()).toBe('running');
    });

    it('destroys: the domain is gone when it returns, and that is told', async () => {
      await driver.start(harness.plan(path, usual), context);
      await driver.destroy(path, context);
      expect(await driver.list()).toEqual([]);
      await untilEnded();
    });

    it('destroys a paused domain', async () => {
      await driver.start(harness.plan(path, usual), context);
      await driver.pause(path, context);
      await driver.destroy(path, context);
      expect(await stateOf()).toBe('absent');
    });

    it('takes the destruction of a domain that is not there for done', async () => {
      await expect(driver.destroy(path, context)).resolves.toBeUndefined();
    });

    it('starts a domain again after it was destroyed', async () => {
      await driver.start(harness.plan(path, usual), context);
      await driver.destroy(path, context);
      await driver.start(harness.plan(path, usual), context);
      expect(await stateOf()).toBe('running');
    });

    it('keeps two domains apart', async () => {
      await driver.start(harness.plan(path, usual), context);
      await driver.start(harness.plan(other, usual), context);
      await driver.pause(other, context);
      expect([await stateOf(path), await stateOf(other)]).toEqual(['running', 'paused']);
      await driver.destroy(other, context);
      expect((await driver.list()).map(domain => domain.path)).toEqual([path]);
    });

    it('asks the system inside to power off, which ends the domain', async () => {
      await driver.start(harness.plan(path, usual), context);
      await harness.untilUp(path);
      await driver.requestShutdown(path, 'acpi', context);
      await untilState('absent');
      await untilEnded();
    });

    it('asks the system inside to reboot: it powers off, is kept, and runs again after a reset', async () => {
      const { id } = await driver.start(harness.plan(path, usual), context);
      await harness.untilUp(path);
      await driver.requestReboot(path, context);
      await untilState('halted');
      await driver.reset(path, context);
      expect(await driver.inspect(path)).toMatchObject({
        state: 'running',
        ...(traits.keepsIdAtReset ? { id } : {}),
      });
      await harness.untilUp(path);
      await harness.powerOffInside(path);
      await untilState('absent');
    });

    it('asks nobody where no agent answers inside, and says so soon', async () => {
      await driver.start(harness.plan(path, usual), context);
      await harness.untilUp(path);
      const before = Date.now();
      await expect(driver.requestShutdown(path, 'agent', context)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
      expect(Date.now() - before).toBeLessThan(1_500 * traits.slowness);
      expect(await stateOf()).toBe('running');
    });

    if (traits.hasGuestAgents)
      it('asks an agent inside to power off', async () => {
        await driver.start(harness.plan(path, usual), context);
        await harness.untilUp(path);
        await harness.answerAgentInside(path);
        await driver.requestShutdown(path, 'agent', context);
        await untilState('absent');
        expect(events).toContainEqual({ path, kind: 'ended', reason: 'its system powered off' });
      });

    it('tells that a system restarted of its own accord, and of no reset that was asked for', async () => {
      await driver.start(harness.plan(path, usual), context);
      await harness.untilUp(path);
      await driver.reset(path, context);
      await harness.untilUp(path);
      expect(events.filter(event => event.kind === 'rebooted')).toEqual([]);
      await harness.rebootInside(path);
      await waitUntil('the reboot is told', () => events.some(event => event.kind === 'rebooted'), 30_000);
      expect(await stateOf()).toBe('running');
    });

    describe.each([
      ['destroy', 'destroy', 'absent', 'absent'],
      ['destroy', 'preserve', 'halted', 'halted'],
      ['preserve', 'destroy', 'halted', 'halted'],
      ['restart', 'rename-restart', 'halted', 'halted'],
      ['preserve', 'restart', 'halted', 'running'],
    ] as const)('with on_poweroff %s and on_reboot %s', (poweroff, reboot, afterPowerOff, afterReboot) => {
      const start = async (): Promise<void> => {
        await driver.start(harness.plan(path, { ...usual, poweroff, reboot }), context);
        await harness.untilUp(path);
      };
      const settled = async (state: string, endedBy: string): Promise<void> => {
        if (state === 'running') {
          await waitUntil('the reboot is told', () => events.some(event => event.kind === 'rebooted'), 30_000);
        }
        await untilState(state);
        if (state !== 'halted') return;
        expect(await driver.inspect(path)).toMatchObject({ endedBy });
        // A later agent knows as well.
        await driver.close();
        driver = await ready();
        expect(await driver.inspect(path)).toMatchObject({ state: 'halted', endedBy });
        await driver.reset(path, context);
        expect(await driver.inspect(path)).toMatchObject({ state: 'running', endedBy: undefined });
        await harness.untilUp(path);
        await waitUntil('it runs', async () => (await stateOf()) === 'running');
      };

      it('a power-off is told from a reboot', async () => {
        await start();
        await harness.powerOffInside(path);
        await settled(afterPowerOff, 'poweroff');
      });

      it('a reboot is told from a power-off', async () => {
        await start();
        await harness.rebootInside(path);
        await settled(afterReboot, 'reboot');
      });
    });

    it('takes an end that no agent saw for what it was, or for the one whose action is the safer', async () => {
      await driver.start(harness.plan(path, { ...usual, poweroff: 'restart', reboot: 'preserve' }), context);
      await harness.untilUp(path);
      await harness.endUnseen(path, () => driver.close());
      driver = await ready();
      await untilState('halted');
      expect(await driver.inspect(path)).toMatchObject({ endedBy: traits.remembersEnds ? 'poweroff' : 'reboot' });
    });

    const imageOf = (source: string): Disk => ({
      source,
      sourceKind: 'file',
      format: 'raw',
      target: 'xvda',
      isCdrom: false,
      mode: 'w',
    });

    if (!traits.stopsAtDiskErrors)
      it('a disk without room fails inside, and the domain runs on', async () => {
        const { file } = harness.makeTightImage();
        await driver.start(harness.plan(path, usual, { disks: [imageOf(file)] }), context);
        await harness.untilUp(path);
        await harness.fillDiskInside(path, 'xvda');
        expect(await harness.untilFilled(path)).toBe(false);
        expect(await driver.inspect(path)).toMatchObject({ state: 'running', problem: undefined });
      });

    if (traits.stopsAtDiskErrors)
      it('a disk without room stops the domain, which goes on once there is room', async () => {
        const { file, free } = harness.makeTightImage();
        const image = imageOf(file);
        await driver.start(harness.plan(path, usual, { disks: [image] }), context);
        await harness.untilUp(path);
        await harness.fillDiskInside(path, 'xvda');
        await untilState('stuck');
        const reason = 'no space is left for its image';
        const stuck = { state: 'stuck', problem: { kind: 'disk', target: 'xvda', reason } };
        expect(await driver.inspect(path)).toMatchObject(stuck);
        await waitUntil('the error is told', () => events.some(event => event.kind === 'disk-error'));
        expect(events).toContainEqual({ path, kind: 'disk-error', target: 'xvda', reason });

        // A later agent finds it so, and trying again without room comes to the same.
        await driver.close();
        driver = await ready();
        expect(await driver.inspect(path)).toMatchObject(stuck);
        events = [];
        driver.onEvent(event => events.push(event));
        await driver.unpause(path, context);
        await waitUntil('the error is told again', () => events.some(event => event.kind === 'disk-error'), 30_000);
        expect(await driver.inspect(path)).toMatchObject(stuck);

        free();
        await driver.unpause(path, context);
        expect(await harness.untilFilled(path)).toBe(true);
        expect(await driver.inspect(path)).toMatchObject({ state: 'running', problem: undefined });
      });

    it('sees the domains of others, and leaves them alone', async () => {
      await driver.start(harness.plan(path, usual), context);
      const { id } = await harness.plantStranger('a stranger');
      const strangers = await driver.foreign();
      expect(strangers.find(stranger => stranger.id === id)).toEqual({
        id,
        name: 'a stranger',
        kind: 'unmanaged',
        controllable: false,
        reason: expect.any(String) as string,
      });
      const own = (await driver.inspect(path)).id;
      expect(strangers.map(stranger => stranger.id)).not.toContain(own);
      expect((await driver.list()).map(domain => domain.path)).toEqual([path]);
      await driver.destroy(path, context);
      expect(harness.isStrangerAlive(id)).toBe(true);
    });

    it.each(['agent', 'acpi'] as const)('refuses to ask a domain that is not there to power off: %s', async by => {
      await expect(driver.requestShutdown(path, by, context)).rejects.toMatchObject({ code: 'HYPERVISOR' });
    });

    it('keeps a domain whose system powered off where on_poweroff does not say destroy', async () => {
      await driver.start(harness.plan(path, { ...usual, poweroff: 'preserve' }), context);
      await harness.untilUp(path);
      await harness.powerOffInside(path);
      await untilState('halted');
      await waitUntil('a change is told', () => events.some(event => event.kind === 'changed'));
      await driver.destroy(path, context);
      expect(await stateOf()).toBe('absent');
    });

    it('the memory of a domain whose system powered off is written as well', async () => {
      await driver.start(harness.plan(path, { ...usual, poweroff: 'rename-restart' }), context);
      await harness.untilUp(path);
      await harness.powerOffInside(path);
      await untilState('halted');
      const file = harness.makeImage('core');
      rmSync(file);
      await driver.dumpCore(path, file, context);
      expect(statSync(file).size).toBeGreaterThan(0);
      await driver.reset(path, context);
      expect(await stateOf()).toBe('running');
    });

    it('keeps a domain whose system crashed, and runs it again by a reset', async () => {
      await driver.start(harness.plan(path, usual), context);
      await harness.untilUp(path);
      await harness.crashInside(path);
      await untilState('crashed');
      await driver.reset(path, context);
      await untilState('running');
    });

    it('lets go of its domains, which a later driver finds in the state they are in', async () => {
      await driver.start(harness.plan(path, usual), context);
      await driver.start(harness.plan(other, usual), context);
      await driver.pause(other, context);
      const before = await driver.list();
      await driver.close();

      driver = await ready();
      events = [];
      driver.onEvent(event => events.push(event));
      const byPath = (left: { path: string }, right: { path: string }): number => left.path.localeCompare(right.path);
      expect([...(await driver.list())].sort(byPath)).toEqual([...before].sort(byPath));
      await driver.unpause(other, context);
      expect(await stateOf(other)).toBe('running');
      await driver.destroy(path, context);
      await untilEnded();
    });

    describe('tells what its domains use:', () => {
      const statisticsOf = async (which = path): Promise<DomainStatistics | undefined> =>
        (await driver.statistics()).find(one => one.path === which);

      it('nothing of a server without domains', async () => {
        expect(await driver.statistics()).toEqual([]);
      });

      it('of each domain its size, its process and the state it is in', async () => {
        const { id } = await driver.start(
          harness.plan(path, usual, { memoryMib: 96, maxMemoryMib: 352, vcpus: 1, maxVcpus: 2 }),
          context,
        );
        await driver.start(harness.plan(other, usual), context);
        await driver.pause(other, context);
        expect(await statisticsOf()).toMatchObject({
          path,
          id,
          state: 'running',
          memoryMib: 96,
          maxMemoryMib: 352,
          vcpus: 1,
        });
        expect(await statisticsOf(other)).toMatchObject({ state: 'paused', maxMemoryMib: 96 });
        await driver.unpause(other, context);
        expect(await statisticsOf(other)).toMatchObject({ state: 'running' });
        await driver.destroy(path, context);
        expect((await driver.statistics()).map(one => one.path)).toEqual([other]);
      });

      it('counters that grow with what the system inside does, and begin anew with the next start', async () => {
        const disks = [
          {
            source: harness.makeImage('system'),
            sourceKind: 'file',
            format: 'raw',
            target: 'xvda',
            isCdrom: false,
            mode: 'w',
          },
        ] as const;
        await driver.start(harness.plan(path, usual, { disks }), context);
        await harness.untilUp(path);
        const before = (await statisticsOf())!;
        await harness.workInside(path);
        // Of the hypervisor it is asked at its own pace.
        let after = before;
        await waitUntil('the disk was written', async () => {
          after = (await statisticsOf())!;
          return after.blocks.writtenBytes > before.blocks.writtenBytes;
        });
        expect(after.processorTimeMs).toBeGreaterThan(before.processorTimeMs);
        expect(after.blocks.readBytes).toBeGreaterThan(before.blocks.readBytes);
        expect(after.blocks.reads).toBeGreaterThan(before.blocks.reads);
        expect(after.blocks.writes).toBeGreaterThan(before.blocks.writes);
        await driver.destroy(path, context);
        await driver.start(harness.plan(path, usual, { disks }), context);
        const anew = (await statisticsOf())!;
        expect(anew.processorTimeMs).toBeLessThan(after.processorTimeMs);
        expect(anew.blocks.writtenBytes).toBe(0);
      });

      it('what a domain has now, after its memory and processors were changed, to a later driver as well', async () => {
        await driver.start(
          harness.plan(path, usual, { memoryMib: 96, maxMemoryMib: 352, vcpus: 1, maxVcpus: 2 }),
          context,
        );
        await harness.untilUp(path);
        await driver.statistics();
        await driver.setMemory(path, 224, context);
        await driver.setVcpus(path, 2, context);
        expect(await statisticsOf()).toMatchObject({ memoryMib: 224, maxMemoryMib: 352, vcpus: 2 });
        await driver.close();
        driver = await ready();
        expect(await statisticsOf()).toMatchObject({ memoryMib: 224, maxMemoryMib: 352, vcpus: 2 });
      });
    });

    describe('changes a domain that runs:', () => {
      const disk = (target: string, source: string | undefined, changes: Partial<Disk> = {}): Disk => ({
        source,
        sourceKind: 'file',
        format: 'raw',
        target,
        isCdrom: false,
        mode: 'w',
        ...changes,
      });
      const card: NetworkInterface = {
        mac: '00:16:3e:00:00:0a',
        bridge: undefined,
        kind: 'paravirtual',
        model: undefined,
        hostName: undefined,
        rateLimit: undefined,
      };
      const holdings = (): Holdings | undefined => driver.holdings().find(held => held.path === path);

      async function startWith(changes: Partial<GuestConfig>): Promise<void> {
        await driver.start(harness.plan(path, usual, changes), context);
        await harness.untilUp(path);
      }

      it('a disk comes and goes', async () => {
        const [system, data] = [harness.makeImage('system'), harness.makeImage('data')];
        await startWith({ disks: [disk('xvda', system)] });
        await driver.attachDisk(path, disk('xvdb', data), context);
        expect(holdings()?.disks).toEqual([
          { target: 'xvda', source: system, mode: 'w' },
          { target: 'xvdb', source: data, mode: 'w' },
        ]);
        await expect(driver.attachDisk(path, disk('xvdb', data), context)).rejects.toBeInstanceOf(AgentError);
        await driver.detachDisk(path, 'xvdb', context);
        expect(holdings()?.disks).toEqual([{ target: 'xvda', source: system, mode: 'w' }]);
        await expect(driver.detachDisk(path, 'xvdz', context)).rejects.toBeInstanceOf(AgentError);
      });

      it('a medium is changed and ejected; a drive that is not there is refused', async () => {
        const [first, second] = [harness.makeImage('first'), harness.makeImage('second')];
        const drive = (source: string | undefined, target = 'xvdc'): Disk =>
          disk(target, source, { isCdrom: true, mode: 'r' });
        await startWith({ disks: [drive(first)] });
        await driver.changeMedium(path, drive(second), context);
        expect(holdings()?.disks).toEqual([{ target: 'xvdc', source: second, mode: 'r' }]);
        await driver.changeMedium(path, drive(undefined), context);
        expect(holdings()?.disks).toEqual([]);
        await driver.changeMedium(path, drive(first), context);
        expect(holdings()?.disks).toHaveLength(1);
        await expect(driver.changeMedium(path, drive(second, 'xvdd'), context)).rejects.toMatchObject({
          code: 'NOT_SUPPORTED',
        });
      });

      it('a network card comes and goes', async () => {
        await startWith({});
        await driver.attachNetworkInterface(path, card, context);
        expect(holdings()?.macs).toEqual([card.mac]);
        await expect(driver.attachNetworkInterface(path, card, context)).rejects.toBeInstanceOf(AgentError);
        await driver.detachNetworkInterface(path, card.mac, context);
        expect(holdings()?.macs).toEqual([]);
      });

      it('memory and processors grow up to what was set aside for it, and no further', async () => {
        await startWith({ memoryMib: 96, maxMemoryMib: 352, vcpus: 1, maxVcpus: 2 });
        await driver.setMemory(path, 224, context);
        await driver.setMemory(path, 160, context);
        await driver.setVcpus(path, 2, context);
        await expect(driver.setMemory(path, 1024, context)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
        await expect(driver.setVcpus(path, 3, context)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
      });

      const display = { listen: '127.0.0.1', number: undefined, password: 'first' };

      if (!traits.hasVncPasswords)
        it('a display that cannot ask for its password is refused', async () => {
          const start = driver.start(harness.plan(path, usual, { display }), context);
          await expect(start).rejects.toThrow(/VNC password/);
          expect(await stateOf()).toBe('absent');
        });

      it('a display is offered; its password is not changed where it asks for none', async () => {
        const open = { ...display, password: undefined };
        const { vncPort } = await driver.start(harness.plan(path, usual, { display: open }), context);
        expect(vncPort).toBeGreaterThanOrEqual(5900);
        await expect(driver.setVncPassword(path, 'x', context)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
      });

      if (traits.hasVncPasswords)
        it('the password of a display that asks for one is changed', async () => {
          await driver.start(harness.plan(path, usual, { display }), context);
          await driver.setVncPassword(path, 'second', context);
          await driver.setVncPassword(path, '', context);
        });

      it('its memory is written to a file', async () => {
        await driver.start(harness.plan(path, usual), context);
        await harness.untilUp(path);
        const file = harness.makeImage('core');
        rmSync(file);
        await driver.dumpCore(path, file, context);
        expect(statSync(file).size).toBeGreaterThan(0);
      });

      it('what it holds on to is known to a later driver, and forgotten when it ends', async () => {
        const system = harness.makeImage('system');
        await driver.start(
          harness.plan(path, usual, { disks: [disk('xvda', system)], networkInterfaces: [card] }),
          context,
        );
        await driver.close();
        driver = await ready();
        expect(driver.holdings()).toEqual([
          {
            path,
            uuid: '6b1f5b1e-3c5d-4f5c-9d0a-2f3b7f1c0a11',
            macs: [card.mac],
            disks: [{ target: 'xvda', source: system, mode: 'w' }],
          },
        ]);
        await driver.destroy(path, context);
        expect(driver.holdings()).toEqual([]);
      });
    });

    describe('puts the state of a domain aside:', () => {
      /** The bytes of a state, as a stream has them. */
      async function saved(): Promise<Buffer> {
        const parts: Buffer[] = [];
        const sink = new PassThrough();
        sink.on('data', (part: Buffer) => parts.push(part));
        await driver.saveState(path, sink, context);
        return Buffer.concat(parts);
      }

      async function startUp(): Promise<void> {
        await driver.start(harness.plan(path, usual), context);
        await harness.untilUp(path);
      }

      it('it is halted, and runs again from the state after it was destroyed', async () => {
        await startUp();
        let progress = 0;
        const parts: Buffer[] = [];
        const sink = new PassThrough();
        sink.on('data', (part: Buffer) => parts.push(part));
        await driver.saveState(path, sink, context, { onProgress: done => (progress = Math.max(progress, done)) });
        expect(await stateOf()).toBe('paused');
        await driver.destroy(path, context);
        const source = Readable.from(parts);
        expect(await driver.restoreState(harness.plan(path, usual), source, context)).toMatchObject({
          path,
          state: 'paused',
        });
        await driver.unpause(path, context);
        expect(await stateOf()).toBe('running');
        await driver.requestShutdown(path, 'acpi', context);
        await untilState('absent');
      });

      it('it goes on where it is unpaused instead', async () => {
        await startUp();
        await saved();
        await driver.unpause(path, context);
        expect(await stateOf()).toBe('running');
        await driver.requestShutdown(path, 'acpi', context);
        await untilState('absent');
      });

      it('it runs on where the stream fails, or it is given up', async () => {
        await startUp();
        const broken = new Writable({ write: (_part, _encoding, done) => done(new Error('the disk is full')) });
        await expect(driver.saveState(path, broken, context)).rejects.toThrow('the disk is full');
        expect(await stateOf()).toBe('running');
        const giveUp = new AbortController();
        const slow = new Writable({
          write(_part, _encoding, done) {
            giveUp.abort();
            setImmediate(done);
          },
        });
        await expect(driver.saveState(path, slow, context, { signal: giveUp.signal })).rejects.toMatchObject({
          code: 'CANCELLED',
        });
        expect(await stateOf()).toBe('running');
        expect((await saved()).length).toBeGreaterThan(0);
      });

      it('one that was paused stays so where it fails', async () => {
        await startUp();
        await driver.pause(path, context);
        const broken = new Writable({ write: (_part, _encoding, done) => done(new Error('the disk is full')) });
        await expect(driver.saveState(path, broken, context)).rejects.toThrow('the disk is full');
        expect(await stateOf()).toBe('paused');
      });

      it.each([
        ['rubbish', (): Buffer => Buffer.from('this is no state of anything\n'.repeat(100))],
        ['nothing', (): Buffer => Buffer.alloc(0)],
      ])('%s in place of a state is refused, and no domain is left', async (_what, bytes) => {
        const attempt = driver.restoreState(harness.plan(path, usual), Readable.from([bytes()]), context);
        await expect(attempt).rejects.toMatchObject({ code: 'HYPERVISOR' });
        expect(await stateOf()).toBe('absent');
        expect(driver.holdings()).toEqual([]);
        await driver.start(harness.plan(path, usual), context);
      });

      it('one that got a device meanwhile is refused: it could not be put together again', async () => {
        await startUp();
        await driver.attachNetworkInterface(
          path,
          {
            mac: '00:16:3e:00:00:0b',
            bridge: undefined,
            kind: 'paravirtual',
            model: undefined,
            hostName: undefined,
            rateLimit: undefined,
          },
          context,
        );
        await expect(saved()).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
        expect(await stateOf()).toBe('running');
      });
    });

    it('sends an interrupt to a domain that runs, and has none to send it to where there is none', async () => {
      await expect(driver.crash(path, context)).rejects.toMatchObject({ code: 'HYPERVISOR' });
      await driver.start(harness.plan(path, usual), context);
      await driver.crash(path, context);
      expect(['running', 'crashed']).toContain(await stateOf());
    });

    it('tells in words what the hypervisor said', async () => {
      await driver.start(harness.plan(path, usual), context);
      expect(typeof (await driver.messages())).toBe('string');
    });

    it('connects to the serial port, which answers what is typed and closes when the domain ends', async () => {
      await driver.start(harness.plan(path, usual), context);
      // The next client gets it once the one it has is gone.
      (await driver.openSerial(path)).destroy();
      const line = await untilOpen();
      let text = '';
      let isClosed = false;
      line.on('data', (data: Buffer) => (text += data.toString()));
      line.on('error', () => undefined);
      line.on('close', () => (isClosed = true));
      line.on('end', () => line.destroy());
      // A system that still boots drops what is typed.
      await waitUntil('what was typed comes back', () => line.write('typed\n') && text.includes('typed'), 30_000, 200);
      await driver.destroy(path, context);
      await waitUntil('the port is closed', () => isClosed);
    });

    it('says that there is no serial port, to a later driver as well', async () => {
      await driver.start(harness.plan(path, usual, { serialPorts: [] }), context);
      await expect(driver.openSerial(path)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
      await driver.close();
      driver = await ready();
      await expect(driver.openSerial(path)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    });

    it('opens no serial port of a domain that is not there', async () => {
      await expect(driver.openSerial(path)).rejects.toMatchObject({ code: 'HYPERVISOR' });
    });

    it.each(['requestReboot', 'reset', 'pause', 'unpause'] as const)(
      'refuses %s of a domain that is not there',
      async act => {
        await expect(driver[act](path, context)).rejects.toMatchObject({ code: 'HYPERVISOR' });
      },
    );
  });
}
