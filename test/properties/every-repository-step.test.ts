import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentPaths } from '../../src/config/paths.ts';
import { AgentError } from '../../src/errors.ts';
import { systemClock } from '../../src/host/clock.ts';
import { readMounts } from '../../src/host/mounts.ts';
import { parseRepositorySource } from '../../src/model/repository.ts';
import { OPERATION_DATABASE, type OperationsParts, type StepPoint } from '../../src/operations/operations.ts';
import { Repositories } from '../../src/services/repositories.ts';
import { caller, guestServices, type TestedServices } from '../support/guest-services.ts';
import { unmountBelow } from '../support/mounts.ts';
import { repositoryFilesOf } from '../support/repository-files.ts';
import { silentLog } from '../support/silent-log.ts';

interface Made {
  readonly services: TestedServices;
  readonly repositories: Repositories;
}

const SOURCE = '/export/images';
const wish = { source: parseRepositorySource(SOURCE), shared: '0', description: 'images' } as const;

function make(atPoint?: OperationsParts['atPoint'], earlierRoot = ''): Made {
  const services = guestServices({ earlierRoot, atPoint });
  const { root } = services;
  onTestFinished(() => unmountBelow(root));
  const paths = new AgentPaths(root);
  if (!earlierRoot) {
    mkdirSync(paths.onDisk(`${SOURCE}/iso_pool`), { recursive: true });
    writeFileSync(paths.onDisk(`${SOURCE}/iso_pool/disc.iso`), 'precious');
  }
  const repositories = new Repositories({
    ...services,
    paths,
    files: repositoryFilesOf(paths),
    holdings: () => [],
    clock: systemClock,
    log: silentLog,
    startMs: 1000,
  });
  return { services, repositories };
}

const sourceOf = (root: string): string[] => readdirSync(join(root, SOURCE)).sort();
const mountsBelow = (root: string): number => readMounts().filter(({ place }) => place.startsWith(`${root}/`)).length;

async function pointsOfMaking(): Promise<readonly StepPoint[]> {
  const points: StepPoint[] = [];
  const { repositories } = make(point => void points.push(point));
  await repositories.make(caller, wish);
  return points;
}

async function withFault(fault: 'kill' | 'fail' | 'cancel', at: StepPoint): Promise<Made> {
  const cancel = new AbortController();
  let died = (): void => undefined;
  const death = new Promise<void>(resolve => {
    died = resolve;
  });
  let isArmed = true;
  const { repositories, services } = make(point => {
    if (!isArmed || point.operation !== at.operation || point.step !== at.step || point.moment !== at.moment) return;
    isArmed = false;
    if (fault === 'fail') throw new AgentError('HOST', 'the fault of this test');
    if (fault === 'cancel') {
      cancel.abort();
      return;
    }
    died();
    return new Promise(() => undefined);
  });
  const run = repositories.make({ ...caller, signal: cancel.signal }, wish).then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([run, death]);
  if (fault !== 'kill') return { repositories, services };
  const next = make(undefined, services.root);
  await next.services.operations.recover();
  return next;
}

describe('making a repository', () => {
  it.each(['kill', 'fail', 'cancel'] as const)(
    'is done or not begun after a %s at each of its points, and what was in the source is there',
    async fault => {
      const points = await pointsOfMaking();
      expect(new Set(points.map(({ operation }) => operation)).size).toBe(2);
      const seen = new Set<boolean>();
      for (const point of points) {
        const where = `${fault} at the ${point.moment} of ${point.step}`;
        const { repositories, services } = await withFault(fault, point);
        const { root, store } = services;
        await services.operations.settle('repositories');
        const rows = (await repositories.list()).filter(({ source }) => source === SOURCE);
        const isDone = rows.length > 0;
        seen.add(isDone);
        expect(
          rows.map(({ state }) => state),
          where,
        ).toEqual(isDone ? ['mounted'] : []);
        expect(mountsBelow(root), where).toBe(isDone ? 1 : 0);
        if (!isDone) {
          expect(sourceOf(root), where).toEqual(['iso_pool']);
          expect(
            existsSync(join(root, 'var/ovs/mount')) ? readdirSync(join(root, 'var/ovs/mount')) : [],
            where,
          ).toEqual([]);
        }
        expect(existsSync(join(root, SOURCE, 'iso_pool/disc.iso')), where).toBe(true);
        expect(store.list(OPERATION_DATABASE), where).toEqual([]);
        // It can be made now, or is.
        const again = repositories.make(caller, wish);
        if (isDone) await expect(again, where).rejects.toMatchObject({ code: 'EXISTS' });
        else await again;
        repositories.stop();
      }
      expect(seen).toEqual(new Set([false, true]));
    },
  );
});
