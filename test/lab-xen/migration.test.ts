import { rmSync } from 'node:fs';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Domain } from '../../src/drivers/driver.ts';
import type { XenDriver } from '../../src/drivers/xen/xen-driver.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { silentLog } from '../support/silent-log.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';
import { destroyAll, domains, LabConsoles, labConfig, makeXenDriver } from './xen-harness.ts';

const path = parseGuestPath('/OVS/running_pool/mover');
const context = { log: silentLog };
const PATIENCE_MS = 120_000;

/** Where a connection is cut: by the bytes that went one way. */
interface Cut {
  readonly after: (sent: number, answered: number) => boolean;
}

const BANNER_BYTES = 54;
const READY_BYTES = 34;

/** Two agents' drivers on one server, as two servers would be, and the stream between their agents. */
describe('a domain moves while it runs', () => {
  let root: string;
  let from: XenDriver;
  let to: XenDriver;
  let consoles: LabConsoles;
  let closing: (() => void)[];

  beforeEach(async () => {
    root = makeTemporaryDirectory();
    consoles = new LabConsoles();
    closing = [];
    [from, to] = [makeXenDriver(join(root, 'from')), makeXenDriver(join(root, 'to'))];
    for (const driver of [from, to]) {
      await driver.probe();
      await driver.adopt(context);
    }
  });

  afterEach(async () => {
    for (const close of closing) close();
    consoles.close();
    await from.close();
    await to.close();
    destroyAll();
    rmSync(root, { recursive: true, force: true });
  });

  /** A connection between two agents, with somebody in between who may cut it. */
  async function connect(cut?: Cut): Promise<[Socket, Socket]> {
    let listening: (between: Server) => void = () => undefined;
    const port = new Promise<number>(resolve => {
      listening = between => resolve((between.address() as AddressInfo).port);
    });
    const accepted = new Promise<Socket>(resolve => {
      const server = createServer(resolve);
      const between = createServer(near => {
        const far = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
        let [sent, answered] = [0, 0];
        const check = (): boolean => {
          if (!cut?.after(sent, answered)) return false;
          near.destroy();
          far.destroy();
          return true;
        };
        near.on('error', () => undefined).on('close', () => far.destroy());
        far.on('error', () => undefined).on('close', () => near.destroy());
        near.on('data', (part: Buffer) => {
          sent += part.length;
          if (!check()) far.write(part);
        });
        far.on('data', (part: Buffer) => {
          answered += part.length;
          if (!check()) near.write(part);
        });
      });
      closing.push(
        () => server.close(),
        () => between.close(),
      );
      server.listen(0, '127.0.0.1', () => between.listen(0, '127.0.0.1', () => listening(between)));
    });
    const near = createConnection(await port, '127.0.0.1');
    return [near, await accepted];
  }

  async function startUp(): Promise<string> {
    await from.start({ path, config: labConfig(path, true) }, context);
    const line = await consoles.of(path);
    await line.untilShell(PATIENCE_MS);
    line.type('mark=kept-in-memory; (while :; do sleep 1; done) & cat /proc/sys/kernel/random/boot_id');
    return (await line.expect(/([0-9a-f]{8}-[0-9a-f-]{27})/, PATIENCE_MS))[1]!;
  }

  async function move(
    cut?: Cut,
  ): Promise<{ sent: PromiseSettledResult<void>; received: PromiseSettledResult<Domain> }> {
    const [near, far] = await connect(cut);
    const receiving = to.migration.receive({ path, config: labConfig(path, true) }, far, context);
    const [sent, received] = await Promise.allSettled([
      from.migration.send(path, near, context, {
        hasArrived: () =>
          receiving.then(
            () => true,
            () => false,
          ),
      }),
      receiving,
    ]);
    return { sent, received };
  }

  /** The one copy that there is runs on with what it had in memory. */
  async function expectOneCopy(bootId: string): Promise<void> {
    const copies = domains().filter(({ id, isDying }) => id !== 0 && !isDying);
    expect(copies).toMatchObject([{ name: 'mover', isPaused: false, shutdown: undefined }]);
    const line = await consoles.of(path);
    await line.untilShell(PATIENCE_MS);
    line.type('echo $mark; cat /proc/sys/kernel/random/boot_id');
    await line.expect(/kept-in-memory/, PATIENCE_MS);
    expect((await line.expect(/([0-9a-f]{8}-[0-9a-f-]{27})/, PATIENCE_MS))[1]).toBe(bootId);
  }

  it('to itself, and is gone where it was', async () => {
    const bootId = await startUp();
    const { received, sent } = await move();
    expect(sent).toEqual({ status: 'fulfilled', value: undefined });
    expect(received).toMatchObject({ status: 'fulfilled', value: { path, state: 'running' } });
    expect(await from.inspect(path)).toMatchObject({ state: 'absent' });
    expect(await to.inspect(path)).toMatchObject({ state: 'running' });
    await expectOneCopy(bootId);
    await to.requestShutdown(path, 'acpi');
    await waitUntil('it powers off', async () => (await to.inspect(path)).state === 'absent', PATIENCE_MS);
  });

  it.each<[string, Cut, 'here' | 'there']>([
    ['in the midst of its memory', { after: sent => sent > 20 * 2 ** 20 }, 'here'],
    ['before the other side said that it has come', { after: (_sent, answered) => answered > BANNER_BYTES }, 'here'],
    ['when it was told that it may start', { after: cutAfterReady() }, 'here'],
    [
      'when the copy runs and its sender is to hear of it',
      { after: (_sent, answered) => answered > BANNER_BYTES + READY_BYTES },
      'there',
    ],
  ])('a connection that is cut %s leaves one copy', async (_when, cut, where) => {
    const bootId = await startUp();
    const { received, sent } = await move(cut);
    expect(received.status).toBe(where === 'there' ? 'fulfilled' : 'rejected');
    expect(sent.status).toBe(where === 'there' ? 'fulfilled' : 'rejected');
    expect(await from.inspect(path)).toMatchObject({ state: where === 'there' ? 'absent' : 'running' });
    expect(await to.inspect(path)).toMatchObject({ state: where === 'there' ? 'running' : 'absent' });
    await expectOneCopy(bootId);
  });

  it('one that is given up stays', async () => {
    const bootId = await startUp();
    const [near, far] = await connect();
    const giveUp = new AbortController();
    const receiving = to.migration
      .receive({ path, config: labConfig(path, true) }, far, context)
      .catch((error: unknown) => error);
    await expect(
      from.migration.send(path, near, context, {
        signal: giveUp.signal,
        hasArrived: () => Promise.resolve(false),
        onProgress: bytes => {
          if (bytes > 8 * 2 ** 20) giveUp.abort();
        },
      }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(await receiving).toMatchObject({ code: 'HYPERVISOR' });
    await expectOneCopy(bootId);
  });

  it('a pv guest is refused before anything is done: this Xen cannot follow its memory', async () => {
    await from.start({ path, config: labConfig(path, false) }, context);
    const [near] = await connect();
    await expect(
      from.migration.send(path, near, context, { hasArrived: () => Promise.resolve(false) }),
    ).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(await from.inspect(path)).toMatchObject({ state: 'running' });
    near.destroy();
  });
});

/** The sender's next bytes after READY went by are its permission to start. */
function cutAfterReady(): Cut['after'] {
  let sentAtReady: number | undefined;
  return (sent, answered) => {
    if (answered >= BANNER_BYTES + READY_BYTES) sentAtReady ??= sent;
    return sentAtReady !== undefined && sent > sentAtReady;
  };
}
