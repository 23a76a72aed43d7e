import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent, StartPlan } from '../../../src/drivers/driver.ts';
import { GuestDirectory } from '../../../src/drivers/guest-directory.ts';
import { DomainKeeper } from '../../../src/drivers/xen/domain-keeper.ts';
import { KeptBoot } from '../../../src/drivers/xen/kept-boot.ts';
import { Maker } from '../../../src/drivers/xen/making.ts';
import type { XenNote } from '../../../src/drivers/xen/xen-domain.ts';
import { Xl } from '../../../src/drivers/xen/xl.ts';
import { systemClock } from '../../../src/host/clock.ts';
import type { GuestConfig } from '../../../src/model/guest-config.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { FakeXl } from '../../support/fake-xl.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const path = parseGuestPath('/OVS/running_pool/a');
const id = GuestDirectory.idOf(path);
const config = demoConfig('a');
const { uuid } = config;
const context = { log: silentLog };
const restarting = { poweroff: 'destroy', reboot: 'restart', crash: 'restart', dumpsCore: false } as const;

describe('the domains of an agent', () => {
  let xl: FakeXl;
  let runtimeDirectory: string;
  let events: DomainEvent[];
  let maker: Maker;

  beforeEach(() => {
    xl = new FakeXl();
    runtimeDirectory = join(temporaryDirectory(), 'guests');
    events = [];
  });

  /** An agent's; an earlier one is as good as killed: what it wrote down is all that is left of it. */
  async function keeper(): Promise<DomainKeeper> {
    const parts = new Xl(xl.program, systemClock);
    maker = new Maker(parts, systemClock, 10_000);
    const made = new DomainKeeper({
      runtimeDirectory,
      xl: parts,
      maker,
      keptBoot: new KeptBoot(`${runtimeDirectory}.boot`),
      clock: systemClock,
      log: silentLog,
      tell: event => void events.push(event),
    });
    await made.adopt(context);
    return made;
  }

  const start = (domains: DomainKeeper, changes: Partial<GuestConfig> = {}): ReturnType<DomainKeeper['makeFirst']> => {
    const plan: StartPlan = { path, config: { ...config, ends: restarting, ...changes } };
    return domains.makeFirst('start', plan, context, domain => maker.create(domain));
  };
  const stateOf = async (domains: DomainKeeper): Promise<string> => {
    const domain = domains.find(path);
    return domain ? domains.see(domain, await new Xl(xl.program, systemClock).list()).state : 'absent';
  };
  const note = (): XenNote => JSON.parse(readFileSync(join(runtimeDirectory, id, 'guest.json'), 'utf8')) as XenNote;

  /** What an agent has written down that was killed just then. */
  function killed(changes: Partial<XenNote>): void {
    const place = new GuestDirectory<XenNote>(runtimeDirectory, id);
    place.prepare({
      path,
      config: { ...config, ends: restarting },
      domainId: undefined,
      phase: 'making',
      rebootAsked: false,
      isAltered: false,
      vncPort: undefined,
      ...changes,
    });
  }

  it('one is made, known, and removed', async () => {
    const domains = await keeper();
    expect(await start(domains)).toMatchObject({ state: 'running', id: 10 });
    expect(note()).toMatchObject({ phase: 'there', domainId: 10 });
    await domains.remove(domains.find(path)!, 'it was destroyed');
    expect(xl.ids).toEqual([]);
    expect(existsSync(join(runtimeDirectory, id, 'guest.json'))).toBe(false);
    expect(events).toEqual([{ path, kind: 'ended', reason: 'it was destroyed' }]);
  });

  it('nothing is left of one that could not be made whole', async () => {
    const domains = await keeper();
    xl.fail('create');
    await expect(start(domains)).rejects.toThrow(`start ${path}: create was to fail`);
    expect([xl.ids, domains.all]).toEqual([[], []]);
    xl.succeed('create');
    expect(await start(domains)).toMatchObject({ state: 'running' });
  });

  it("one that is there with the same identity is another program's: it stays, and the start is refused", async () => {
    xl.set(5, uuid, '-b----', 'stranger');
    const domains = await keeper();
    await expect(start(domains)).rejects.toThrow(/domain 5 \(stranger\) has its uuid/);
    expect(xl.ids).toEqual([5]);
    expect(xl.calls).toEqual([]);
  });

  it('one that has lost its domain number to another is not touched by the loss', async () => {
    const domains = await keeper();
    await start(domains);
    xl.lose(10);
    xl.set(10, '11111111-1111-1111-1111-111111111111', '-b----', 'stranger');
    expect(await stateOf(domains)).toBe('absent');
    await waitUntil('that is told', () => events.length > 0);
    expect(xl.ids).toEqual([10]);
    expect(xl.calls.filter(call => call.startsWith('destroy'))).toEqual([]);
  });

  describe('a machine with an empty drive', () => {
    const drive = {
      source: undefined,
      sourceKind: 'file',
      format: 'raw',
      target: 'hdc',
      isCdrom: true,
      mode: 'r',
    } as const;
    const machine = {
      kind: 'hvm',
      boot: { from: 'firmware', order: 'c' },
      disks: [drive],
      display: undefined,
    } as const;

    it('does not run before a blank medium was taken out of it', async () => {
      const domains = await keeper();
      expect(await start(domains, machine)).toMatchObject({ state: 'running' });
      expect(
        xl.calls.map(call =>
          call
            .split(' ')
            .filter(word => !word.startsWith('/'))
            .join(' '),
        ),
      ).toEqual(['create -e -q -p', 'cd-eject 10 hdc', 'unpause 10']);
      expect(readFileSync(join(runtimeDirectory, id, 'domain.cfg'), 'utf8')).toContain('blank-medium"');
      // What the guest is made of has no medium.
      expect(note().config.disks[0]!.source).toBeUndefined();
    });

    it('is not there where that fails', async () => {
      const domains = await keeper();
      xl.fail('cd-eject');
      await expect(start(domains, machine)).rejects.toThrow('cd-eject was to fail');
      expect([xl.ids, domains.all]).toEqual([[], []]);
    });
  });

  describe('of an agent that was killed', () => {
    it('when xl was about to make one: there is none', async () => {
      killed({});
      expect((await keeper()).all).toEqual([]);
      expect(xl.calls).toEqual([]);
    });

    it("before others of the same identity were looked for: what has it is another program's", async () => {
      killed({});
      xl.set(7, uuid, '-b----', 'stranger');
      expect((await keeper()).all).toEqual([]);
      expect(xl.ids).toEqual([7]);
      killed({});
      xl.set(7, uuid, '--p---', 'stranger');
      expect((await keeper()).all).toEqual([]);
      expect(xl.ids).toEqual([7]);
    });

    it('when one was half made: it is removed', async () => {
      killed({ earlier: [] });
      xl.set(7, uuid, '--p---');
      expect((await keeper()).all).toEqual([]);
      expect(xl.ids).toEqual([]);
    });

    it('when one was whole and not yet known: it is found', async () => {
      killed({ earlier: [] });
      xl.set(7, uuid, '-b----');
      const domains = await keeper();
      expect(await stateOf(domains)).toBe('running');
      expect(note()).toMatchObject({ phase: 'there', domainId: 7 });
      expect(xl.calls).toEqual([]);
    });

    it('while one ran: it is found, paused or not', async () => {
      killed({ phase: 'there', domainId: 7 });
      xl.set(7, uuid, '--p---');
      expect(await stateOf(await keeper())).toBe('paused');
      expect(xl.calls).toEqual([]);
    });

    it('while one ran that has ended and gone: it is forgotten', async () => {
      killed({ phase: 'there', domainId: 7 });
      xl.set(8, uuid, '-b----', 'copy');
      expect((await keeper()).all).toEqual([]);
      // The same identity with another number is another program's.
      expect(xl.ids).toEqual([8]);
    });

    it('before the old one was destroyed for a reset: it is made again', async () => {
      killed({ phase: 'replacing', domainId: 7, earlier: [] });
      xl.set(7, uuid, '---sr-');
      await keeper();
      await waitUntil('it was made again', () => events.length > 0);
      expect(events).toEqual([{ path, kind: 'rebooted' }]);
      expect(xl.ids).toEqual([10]);
      expect(note()).toMatchObject({ phase: 'there', domainId: 10 });
    });

    it('after the old one was destroyed for a reset: it is made again', async () => {
      killed({ phase: 'replacing', domainId: 7, earlier: [] });
      await keeper();
      await waitUntil('it was made again', () => events.length > 0);
      expect(xl.ids).toEqual([10]);
    });

    it('when the new one of a reset ran and was not yet known: it is that one', async () => {
      killed({ phase: 'replacing', domainId: 7, earlier: [] });
      xl.set(8, uuid, '-b----');
      const domains = await keeper();
      expect(await stateOf(domains)).toBe('running');
      expect(note()).toMatchObject({ phase: 'there', domainId: 8 });
      expect(xl.calls).toEqual([]);
    });

    it('in the last step of a move: it stands still, is not made again, and can be destroyed', async () => {
      killed({ phase: 'there', domainId: 7, isLeaving: true });
      xl.set(7, uuid, '---ss-', 'a--migratedaway');
      const domains = await keeper();
      expect(await stateOf(domains)).toBe('unreachable');
      await expect(domains.act('reset', path, domain => domains.replace(domain))).rejects.toThrow(/was moving/);
      expect(xl.ids).toEqual([7]);
      await domains.remove(domains.find(path)!, 'it was destroyed');
      expect(xl.ids).toEqual([]);
    });

    it('and of which one cannot be removed: the others are served, and it can be tried again', async () => {
      killed({ earlier: [] });
      xl.set(7, uuid, '--p---');
      xl.fail('destroy', 'instead');
      const domains = await keeper();
      expect(await stateOf(domains)).toBe('starting');
      xl.succeed('destroy');
      await domains.remove(domains.find(path)!, 'it was destroyed');
      expect([xl.ids, domains.all]).toEqual([[], []]);
    });

    it('when a stranger of the same identity was there: that one is not taken for the new one', async () => {
      killed({ phase: 'replacing', domainId: 7, earlier: [6] });
      xl.set(6, uuid, '-b----', 'stranger');
      await keeper();
      await waitUntil('it was made again', () => events.length > 0);
      expect(xl.ids.toSorted((one, other) => one - other)).toEqual([6, 10]);
      expect(xl.calls.filter(call => call.startsWith('destroy'))).toEqual([]);
    });
  });

  it('the reboot of a system is served, though nobody was there when it came', async () => {
    const domains = await keeper();
    await start(domains);
    await domains.release();
    xl.set(10, uuid, '---sr-');
    const later = await keeper();
    await stateOf(later);
    await waitUntil('it was made again', () => events.some(({ kind }) => kind === 'rebooted'));
    expect(xl.ids).toEqual([11]);
  });

  it('a crash is left in place for the agent to decide', async () => {
    const domains = await keeper();
    await start(domains);
    xl.set(10, uuid, '---sc-');
    expect(await stateOf(domains)).toBe('crashed');
    await domains.release();
    expect(xl.ids).toEqual([10]);
  });
});
