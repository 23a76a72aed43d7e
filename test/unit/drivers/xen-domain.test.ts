import { describe, expect, it } from 'vitest';
import { GuestDirectory } from '../../../src/drivers/guest-directory.ts';
import { type OwnAct, stateOf, XenDomain, type XenNote } from '../../../src/drivers/xen/xen-domain.ts';
import type { DomainRow, ShutdownReason } from '../../../src/drivers/xen/xl-output.ts';
import type { EndPolicy } from '../../../src/model/guest-config.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import type { DomainState, EndAction } from '../../../src/model/guest-state.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const REASONS: readonly (ShutdownReason | undefined)[] = [
  undefined,
  'poweroff',
  'reboot',
  'suspend',
  'crash',
  'watchdog',
  'soft-reset',
  'unknown',
];
const ACTIONS: readonly EndAction[] = ['destroy', 'restart', 'preserve', 'rename-restart'];
const PHASES: readonly XenNote['phase'][] = ['making', 'replacing', 'there'];
const TRUTHS = [false, true] as const;

const row: DomainRow = {
  name: 'a',
  id: 7,
  memoryMib: 96,
  vcpus: 1,
  isPaused: false,
  shutdown: undefined,
  isDying: false,
  processorTimeMs: 0,
  uuid: demoConfig('a').uuid,
};

/** @param parent of its directory, where one is written */
function domainOf(changes: Partial<XenNote> = {}, parent = '/nowhere'): XenDomain {
  const path = parseGuestPath('/OVS/running_pool/a');
  return new XenDomain(new GuestDirectory<XenNote>(parent, GuestDirectory.idOf(path)), {
    path,
    config: demoConfig('a'),
    domainId: 7,
    phase: 'there',
    rebootAsked: false,
    isAltered: false,
    vncPort: 5901,
    ...changes,
  });
}

interface Case {
  readonly shutdown: ShutdownReason | undefined;
  readonly ends: EndPolicy;
  readonly rebootAsked: boolean;
  readonly phase: XenNote['phase'];
  readonly isPaused: boolean;
  readonly isDying: boolean;
  readonly act: OwnAct | undefined;
}

/** The whole table: each way to end, with each policy, in each phase, asked for or not. */
function everyCase(): readonly Case[] {
  const cases: Case[] = [];
  for (const poweroff of ACTIONS)
    for (const reboot of ACTIONS)
      for (const crash of ACTIONS)
        for (const phase of PHASES)
          for (const rebootAsked of TRUTHS) {
            const ends = { poweroff, reboot, crash, dumpsCore: crash === 'destroy' };
            const domain = domainOf({ phase, rebootAsked, config: demoConfig('a', { ends }) });
            for (const shutdown of REASONS)
              for (const isPaused of TRUTHS)
                for (const isDying of TRUTHS) {
                  const act = domain.ownAct({ ...row, shutdown, isPaused, isDying });
                  cases.push({ shutdown, ends, rebootAsked, phase, isPaused, isDying, act });
                }
          }
  return cases;
}

const cases = everyCase();

/** Those to which a rule applies, of which there must be some. */
function casesOf(applies: (one: Case) => boolean): readonly Case[] {
  const found = cases.filter(applies);
  expect(found.length).toBeGreaterThan(0);
  return found;
}

const rebooted = ({ shutdown }: Case): boolean => shutdown === 'reboot' || shutdown === 'soft-reset';
const poweredOff = ({ shutdown }: Case): boolean => shutdown === 'poweroff' || shutdown === 'unknown';
const isFree = ({ isDying, phase, rebootAsked }: Case): boolean => phase === 'there' && !rebootAsked && !isDying;
const actsOf = (some: readonly Case[]): readonly (string | undefined)[] => [
  ...new Set(some.map(({ act }) => act?.act)),
];

describe('what the driver does by itself when a system has ended', () => {
  it('is decided for each of all cases', () => {
    expect(cases).toHaveLength(4 * 4 * 4 * 3 * 2 * 8 * 2 * 2);
    expect(new Set(actsOf(cases))).toEqual(new Set([undefined, 'destroy', 'restart']));
  });

  it('is nothing while the domain is being made, and nothing to one that goes already', () => {
    expect(actsOf(casesOf(({ phase }) => phase !== 'there'))).toEqual([undefined]);
    expect(actsOf(casesOf(({ isDying }) => isDying))).toEqual([undefined]);
  });

  it('is nothing where the agent asked for the reboot: what follows is its own', () => {
    expect(actsOf(casesOf(({ rebootAsked }) => rebootAsked))).toEqual([undefined]);
  });

  it('is nothing to a system that runs, that saves itself, or that crashed, whatever its policy', () => {
    const others = casesOf(one => !rebooted(one) && !poweredOff(one));
    expect(new Set(others.map(({ shutdown }) => shutdown))).toEqual(
      new Set([undefined, 'suspend', 'crash', 'watchdog']),
    );
    expect(actsOf(others)).toEqual([undefined]);
  });

  it('is a restart after a reboot, where on_reboot is restart, whatever follows a power-off', () => {
    expect(actsOf(casesOf(one => isFree(one) && rebooted(one) && one.ends.reboot === 'restart'))).toEqual(['restart']);
    expect(actsOf(casesOf(one => one.ends.reboot !== 'restart'))).not.toContain('restart');
    expect(actsOf(casesOf(one => !rebooted(one)))).not.toContain('restart');
  });

  it('is its removal after a power-off, where on_poweroff is destroy and a reboot would not have kept it', () => {
    const leaves = ({ ends: { poweroff, reboot } }: Case): boolean =>
      poweroff === 'destroy' && (reboot === 'restart' || reboot === 'destroy');
    const free = casesOf(one => isFree(one) && poweredOff(one));
    expect(actsOf(free.filter(leaves))).toEqual(['destroy']);
    expect(actsOf(free.filter(one => !leaves(one)))).toEqual([undefined]);
  });

  it('is its removal after a reboot, where both on_reboot and on_poweroff are destroy, and told as that', () => {
    const free = casesOf(one => isFree(one) && rebooted(one) && one.ends.reboot !== 'restart');
    const both = ({ ends: { poweroff, reboot } }: Case): boolean => poweroff === 'destroy' && reboot === 'destroy';
    expect(free.filter(both).map(({ act }) => act)).toEqual(
      free.filter(both).map(() => ({ act: 'destroy', reason: 'its system rebooted, and on_reboot is destroy' })),
    );
    expect(actsOf(free.filter(one => !both(one)))).toEqual([undefined]);
  });

  it('never depends on on_crash, nor on whether the domain was paused', () => {
    const decided = new Map<string, string>();
    for (const { act, ends, isDying, phase, rebootAsked, shutdown } of cases) {
      const situation = JSON.stringify([ends.poweroff, ends.reboot, phase, rebootAsked, shutdown, isDying]);
      const before = decided.get(situation);
      const now = JSON.stringify(act ?? null);
      if (before !== undefined) expect(now, situation).toBe(before);
      decided.set(situation, now);
    }
    expect(decided.size).toBe(cases.length / 8);
  });

  it('is nothing where Xen has no domain', () => {
    expect(domainOf().ownAct(undefined)).toBeUndefined();
  });
});

describe('the state of a domain', () => {
  it.each<[ShutdownReason | undefined, DomainState, DomainState]>([
    [undefined, 'running', 'paused'],
    ['poweroff', 'halted', 'halted'],
    ['reboot', 'halted', 'halted'],
    ['soft-reset', 'halted', 'halted'],
    ['unknown', 'halted', 'halted'],
    ['suspend', 'paused', 'paused'],
    ['crash', 'crashed', 'crashed'],
    ['watchdog', 'crashed', 'crashed'],
  ])('with reason %s is %s, and %s where it is paused', (shutdown, running, paused) => {
    expect(stateOf({ ...row, shutdown })).toBe(running);
    expect(stateOf({ ...row, shutdown, isPaused: true })).toBe(paused);
    for (const isPaused of TRUTHS) expect(stateOf({ ...row, shutdown, isPaused, isDying: true })).toBe('absent');
  });

  it('is absent where Xen has none', () => {
    expect(stateOf(undefined)).toBe('absent');
  });

  it('is told as starting until it is whole, whatever Xen says', () => {
    for (const phase of ['making', 'replacing'] as const)
      for (const shutdown of REASONS) expect(domainOf({ phase }).facts({ ...row, shutdown }).state).toBe('starting');
  });

  it('is told with how its system ended, once it has, and with nothing of one that is gone', () => {
    const domain = domainOf();
    const endedBy = REASONS.map(shutdown => domain.facts({ ...row, shutdown }).endedBy);
    expect(endedBy).toEqual([undefined, 'poweroff', 'reboot', undefined, undefined, undefined, 'reboot', 'poweroff']);
    expect(domain.facts(row)).toMatchObject({ id: 7, vncPort: 5901, ends: demoConfig('a').ends });
    expect(domain.facts(undefined)).toMatchObject({ id: undefined, vncPort: undefined, ends: undefined });
  });
});

describe('a domain is found', () => {
  it('by its number and its identity together, as long as it does not go', () => {
    const domain = domainOf();
    const uuid = '11111111-2222-3333-4444-555555555555';
    expect(domain.rowIn([{ ...row, id: 0 }, row])).toBe(row);
    expect(domain.rowIn([])).toBeUndefined();
    expect(domain.rowIn([{ ...row, id: 8 }])).toBeUndefined();
    expect(domain.rowIn([{ ...row, uuid }])).toBeUndefined();
    expect(domain.rowIn([{ ...row, isDying: true }])).toBeUndefined();
    expect(domain.rowIn([{ ...row, name: 'renamed by somebody' }])).toBeDefined();
  });

  it('not at all while it has no number', () => {
    expect(domainOf({ domainId: undefined }).rowIn([row])).toBeUndefined();
  });
});

describe('what is done to a domain', () => {
  it('is written down before anything else is known of it', () => {
    const domain = domainOf({}, temporaryDirectory());
    domain.place.prepare(domain.note);
    domain.change({ phase: 'replacing', rebootAsked: true });
    expect(domain.place.readNote(path => ({ path }) as XenNote)).toMatchObject({
      path: '/OVS/running_pool/a',
      phase: 'replacing',
      rebootAsked: true,
      domainId: 7,
    });
  });

  it('is done one after the other, also after one that failed', async () => {
    const domain = domainOf();
    const done: string[] = [];
    let finish = (): void => undefined;
    const finished = new Promise<void>(resolve => (finish = resolve));
    const acts = [
      domain.inTurn(() => finished.then(() => done.push('first'))),
      domain.inTurn(() => {
        done.push('second');
        return Promise.reject(new Error('it failed'));
      }),
      domain.inTurn(() => Promise.resolve(done.push('third'))),
    ];
    const ended = Promise.allSettled(acts);
    await Promise.resolve();
    expect(done).toEqual([]);
    finish();
    expect((await ended).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(done).toEqual(['first', 'second', 'third']);
  });

  it('is given up by whoever asked for it and by the end of the domain, and what comes later is not', () => {
    const domain = domainOf();
    const asked = new AbortController();
    const [own, both] = [domain.untilGivenUp(undefined), domain.untilGivenUp(asked.signal)];
    asked.abort();
    expect([own.aborted, both.aborted]).toEqual([false, true]);
    const other = domain.untilGivenUp(new AbortController().signal);
    domain.giveUp();
    expect([own.aborted, other.aborted]).toEqual([true, true]);
    // What is to begin before the end is given up as well.
    expect(domain.untilGivenUp(undefined).aborted).toBe(true);
    domain.goOn();
    expect(domain.untilGivenUp(undefined).aborted).toBe(false);
  });
});
