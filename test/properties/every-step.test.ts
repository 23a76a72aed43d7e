import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SimulatedMachine } from '../../src/drivers/simulated/simulated-machine.ts';
import { AgentError } from '../../src/errors.ts';
import { parseNewGuest } from '../../src/model/new-guest.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { OPERATION_DATABASE, type StepPoint } from '../../src/operations/operations.ts';
import type { Caller } from '../../src/services/caller.ts';
import { caller, guestPath as path, guestServices, type TestedServices } from '../support/guest-services.ts';

/** One way in which an operation is used. */
interface Scenario {
  readonly operation: string;
  /** Brings the guest to where the operation begins. */
  readonly before: (services: TestedServices) => Promise<void>;
  readonly run: (services: TestedServices, caller: Caller) => Promise<void>;
  /** Statuses of the guest when it was not done, and when it was; undefined stands for a guest that is gone. */
  readonly undone: string;
  readonly done: string | undefined;
  /** Whether it was done, where the guest's status does not tell. */
  readonly isDone?: (services: TestedServices) => boolean;
}

const SAVED = '/var/ovs/saved/guest.state';

async function running({ lifecycle }: TestedServices): Promise<void> {
  await lifecycle.start(caller, path);
}

async function paused(services: TestedServices): Promise<void> {
  await running(services);
  await services.lifecycle.pause(caller, path);
}

async function saved(services: TestedServices): Promise<void> {
  await running(services);
  await services.suspension.save(caller, path, SAVED);
}

const TEMPLATE = '/OVS/seed_pool/template.tgz';
const COPY = parseGuestPath('/OVS/running_pool/copy');

const NEW_GUEST = parseNewGuest({
  type: 'hvm',
  memory: 128,
  vcpus: 1,
  disks: [
    { size: 1, preallocate: true },
    { file: '/OVS/sharedDisk/quorum.img', size: 2 },
  ],
  vifs: [{}],
  display: { type: 'none' },
  install: { from: 'network' },
});

/** Registered, and with a disk that has data and a hole. */
async function withImage({ membership, root }: TestedServices): Promise<void> {
  const image = join(root, path, 'System.img');
  writeFileSync(image, randomBytes(65_536));
  truncateSync(image, 8 * 2 ** 20);
  appendFileSync(
    join(root, path, 'vm.cfg'),
    `\ndisk = ['file:${path}/System.img,xvda,w']\nvif = ['mac=00:16:3e:00:00:01']\n`,
  );
  for (const pool of ['seed_pool', 'iso_pool', 'sharedDisk']) mkdirSync(join(root, 'OVS', pool), { recursive: true });
  await membership.register(caller, path);
}

async function packed(services: TestedServices): Promise<void> {
  await withImage(services);
  await services.templates.pack(caller, path, 'template');
}

/** An operation that is not in this list fails the first test below. */
const scenarios: Readonly<Record<string, Scenario>> = {
  'suspend a guest that runs': {
    operation: 'save',
    before: running,
    run: ({ suspension }, by) => suspension.suspend(by, path),
    undone: 'RUNNING',
    done: 'SUSPEND',
  },
  'suspend a guest that is paused': {
    operation: 'save',
    before: paused,
    run: ({ suspension }, by) => suspension.suspend(by, path),
    undone: 'PAUSED',
    done: 'SUSPEND',
  },
  'save a guest': {
    operation: 'save',
    before: running,
    run: ({ suspension }, by) => suspension.save(by, path, SAVED),
    undone: 'RUNNING',
    done: 'DOWN',
  },
  'resume a guest': {
    operation: 'restore',
    before: async services => {
      await running(services);
      await services.suspension.suspend(caller, path);
    },
    run: ({ suspension }, by) => suspension.resume(by, path),
    undone: 'SUSPEND',
    done: 'RUNNING',
  },
  'resume a guest that was paused': {
    operation: 'restore',
    before: async services => {
      await paused(services);
      await services.suspension.suspend(caller, path);
    },
    run: ({ suspension }, by) => suspension.resume(by, path),
    undone: 'SUSPEND',
    done: 'PAUSED',
  },
  'restore a guest': {
    operation: 'restore',
    before: saved,
    run: ({ suspension }, by) => suspension.restore(by, path, SAVED),
    undone: 'DOWN',
    done: 'RUNNING',
  },
  'delete a guest': {
    operation: 'delete',
    before: ({ membership }) => membership.register(caller, path),
    run: ({ membership }, by) => membership.delete(by, path),
    undone: 'DOWN',
    done: undefined,
  },
  'clone a guest': {
    operation: 'copy a guest',
    before: withImage,
    run: ({ copies }, by) => copies.clone(by, path, COPY),
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ records }) => records.find(COPY) !== undefined,
  },
  'create a guest from a template': {
    operation: 'copy a guest',
    before: packed,
    run: async ({ copies }, by) => {
      await copies.fromTemplate(by, 'template', 'copy', { memory: 128 });
    },
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ records }) => records.find(COPY) !== undefined,
  },
  'pack a guest': {
    operation: 'pack a guest',
    before: withImage,
    run: async ({ templates }, by) => {
      await templates.pack(by, path, 'template');
    },
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ root }) => existsSync(join(root, TEMPLATE)),
  },
  'import a template': {
    operation: 'import a template',
    before: packed,
    run: async ({ templates }, by) => {
      await templates.import(by, TEMPLATE, 'imported', undefined);
    },
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ root }) => existsSync(join(root, '/OVS/seed_pool/imported/vm.cfg')),
  },
  'delete a template': {
    operation: 'remove from a pool',
    before: packed,
    run: ({ templates }, by) => templates.delete(by, 'template'),
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ root }) => !existsSync(join(root, TEMPLATE)),
  },
  'create a guest': {
    operation: 'create a guest',
    before: withImage,
    run: ({ creation }, by) => creation.create(by, COPY, NEW_GUEST),
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ records }) => records.find(COPY) !== undefined,
  },
  'import an image': {
    operation: 'import an image',
    before: withImage,
    run: ({ imageImports }, by) => imageImports.import(by, `${path}/System.img`, '/OVS/sharedDisk/disk.img', undefined),
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ root }) => existsSync(join(root, '/OVS/sharedDisk/disk.img')),
  },
  'import an ISO': {
    operation: 'import an ISO',
    before: withImage,
    run: async ({ images }, by) => {
      await images.importIso(by, `${path}/System.img`, 'linux/el5.iso', undefined);
    },
    undone: 'DOWN',
    done: 'DOWN',
    isDone: ({ root }) => existsSync(join(root, '/OVS/iso_pool/linux/el5.iso')),
  },
};

type Fault = 'kill' | 'fail' | 'cancel';

function wasDone(scenario: Scenario, services: TestedServices): boolean {
  return scenario.isDone?.(services) ?? services.status() === scenario.done;
}

interface Outcome {
  readonly status: string | undefined;
  readonly error: unknown;
  readonly services: TestedServices;
}

/** The points of an operation, in the order in which it comes to them. */
async function pointsOf(scenario: Scenario): Promise<readonly StepPoint[]> {
  const points: StepPoint[] = [];
  let isCounting = false;
  const services = guestServices({
    atPoint: point => {
      if (isCounting) points.push(point);
    },
  });
  await scenario.before(services);
  isCounting = true;
  await scenario.run(services, caller);
  expect(services.status()).toBe(scenario.done);
  return points;
}

/** Runs the operation with one fault at one point; after a kill with the agent that comes next. */
async function withFault(scenario: Scenario, fault: Fault, at: StepPoint): Promise<Outcome> {
  const machine = new SimulatedMachine();
  const cancel = new AbortController();
  let isArmed = false;
  let died = (): void => undefined;
  const death = new Promise<'died'>(resolve => {
    died = () => resolve('died');
  });
  const services = guestServices({
    machine,
    atPoint(point) {
      if (!isArmed || point.step !== at.step || point.moment !== at.moment) return;
      isArmed = false;
      if (fault === 'fail') throw new AgentError('HOST', 'the fault of this test');
      if (fault === 'cancel') {
        cancel.abort();
        return;
      }
      died();
      return new Promise(() => undefined);
    },
  });
  await scenario.before(services);
  isArmed = true;
  const run = scenario.run(services, { ...caller, signal: cancel.signal }).then(
    () => undefined,
    (error: unknown) => error,
  );
  const error = await Promise.race([run, death]);
  if (fault !== 'kill') return { status: services.status(), error, services };
  expect(error).toBe('died');
  // A process that has died hears nothing any more.
  machine.listeners.clear();
  const next = guestServices({ machine, earlierRoot: services.root });
  await next.recover();
  await next.lanes.idle();
  return { status: next.status(), error: undefined, services: next };
}

/** Every file below a directory, and every directory of repositories, but for the database and the logs. */
function filesBelow(root: string): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile() || entry.parentPath.startsWith(join(root, 'OVS')))
    .map(entry => relative(root, join(entry.parentPath, entry.name)))
    .filter(name => !name.startsWith('agent.db') && !name.startsWith('var/log'))
    .sort();
}

function domainsOf({ machine }: TestedServices): string | undefined {
  return machine.domains.get(path)?.state;
}

const DOMAIN_OF: Readonly<Record<string, string | undefined>> = { RUNNING: 'running', PAUSED: 'paused' };

describe('an operation of several steps', () => {
  it('is in the list of this test, whichever there is', () => {
    const { operations } = guestServices();
    const listed = new Set(Object.values(scenarios).map(scenario => scenario.operation));
    expect(operations.all.map(operation => operation.name).sort()).toEqual([...listed].sort());
  });

  const cases = Object.keys(scenarios).flatMap(name =>
    (['kill', 'fail', 'cancel'] as const).map(fault => [name, fault] as const),
  );

  it.each(cases)(
    '%s: a %s at each of its points leaves it done or not begun, and nothing in between',
    async (name, fault) => {
      const scenario = scenarios[name]!;
      const points = await pointsOf(scenario);
      expect(points.length).toBeGreaterThan(2);
      const seen = new Set<boolean>();
      for (const point of points) {
        const where = `${fault} at the ${point.moment} of ${point.step}`;
        const { error, services, status } = await withFault(scenario, fault, point);
        const isDone = wasDone(scenario, services);
        seen.add(isDone);
        expect([scenario.undone, scenario.done], where).toContain(status);
        expect(domainsOf(services), where).toBe(DOMAIN_OF[status ?? '']);
        expect(services.machine.domains.size, where).toBeLessThanOrEqual(1);
        if (fault === 'cancel') {
          expect(isDone ? error : (error as AgentError).code, where).toBe(isDone ? undefined : 'CANCELLED');
        }
        // A failure past the point of no return is finished by the next act on the guest.
        await services.operations.settle(path);
        expect(services.store.list(OPERATION_DATABASE), where).toEqual([]);
        await expectNothingHalfMade(scenario, services, where);
      }
      if (fault === 'kill')
        expect(seen, 'it is undone at first and finished in the end').toEqual(new Set([false, true]));
    },
  );
});

/** Its files are those of a guest to which nothing happened, or those of one with which it was done; and it can be used. */
async function expectNothingHalfMade(scenario: Scenario, services: TestedServices, where: string): Promise<void> {
  const status = services.status();
  const untouched = guestServices();
  await scenario.before(untouched);
  if (wasDone(scenario, services)) await scenario.run(untouched, caller);
  expect(filesBelow(services.root), where).toEqual(filesBelow(untouched.root));
  if (status === undefined) {
    expect(existsSync(join(services.root, path)), where).toBe(false);
    return;
  }
  if (status === 'SUSPEND') await services.suspension.resume(caller, path);
  if (status === 'DOWN') await services.lifecycle.start(caller, path);
  await services.stops.stop(caller, path, true);
  expect(services.status(), where).toBe('DOWN');
}
