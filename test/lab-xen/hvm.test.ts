import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { duplexPair, PassThrough, Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { StartPlan } from '../../src/drivers/driver.ts';
import { openConsole } from '../../src/drivers/xen/console.ts';
import type { XenDriver } from '../../src/drivers/xen/xen-driver.ts';
import type { Disk } from '../../src/model/guest-config.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { makeImage } from '../support/image.ts';
import { SerialLine } from '../support/serial-line.ts';
import { silentLog } from '../support/silent-log.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { destroyAll, domains, labConfig, makeXenDriver, xenPrograms } from './xen-harness.ts';

const path = parseGuestPath('/OVS/running_pool/machine');
const context = { log: silentLog };
const PATIENCE_MS = 180_000;

/**
 * A system of one sector: it prints T on its serial port again and again. Linux on an emulated HVM machine takes minutes here.
 *
 *     start: mov dx,0x3fd; wait: in al,dx; test al,0x20; jz wait; mov dx,0x3f8; mov al,'T'; out dx,al
 *            mov bx,0x40; outer: mov cx,0xffff; inner: loop inner; dec bx; jnz outer; jmp start
 */
const SYSTEM = 'bafd03eca82074fbbaf803b054eebb4000b9ffffe2fe4b75f8ebe5';

function writeSystem(file: string): void {
  const sector = Buffer.alloc(512);
  Buffer.from(SYSTEM, 'hex').copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  writeFileSync(file, sector);
  truncateSync(file, 2 ** 20);
}

/** Machines with firmware, as far as an emulated processor takes one. */
describe('a machine with firmware on Xen', () => {
  let root: string;
  let driver: XenDriver;
  let lines: SerialLine[];

  beforeEach(async () => {
    root = makeTemporaryDirectory();
    lines = [];
    driver = makeXenDriver(join(root, 'guests'));
    await driver.probe();
    await driver.adopt(context);
    writeSystem(join(root, 'system'));
  });

  afterEach(async () => {
    for (const line of lines) line.close();
    await driver.close();
    destroyAll();
    rmSync(root, { recursive: true, force: true });
  });

  const disk = (target: string, source: string | undefined, isCdrom = false): Disk => ({
    source,
    sourceKind: 'file',
    format: 'raw',
    target,
    isCdrom,
    mode: isCdrom ? 'r' : 'w',
  });

  const plan = (medium?: string): StartPlan => ({
    path,
    config: labConfig(path, false, {
      kind: 'hvm',
      boot: { from: 'firmware', order: 'c' },
      disks: [disk('hda', join(root, 'system')), disk('hdc', medium, true)],
      display: { listen: '127.0.0.1', number: undefined, password: undefined },
      video: { card: 'cirrus', memoryMib: undefined },
      memoryMib: 64,
      maxMemoryMib: 64,
    }),
  });

  async function prints(): Promise<void> {
    const { id } = domains().find(({ isDying, name }) => name === 'machine' && !isDying)!;
    const line = SerialLine.over(await openConsole(await xenPrograms.console(), path, id, 'serial'));
    lines.push(line);
    await line.expect(/TT/, PATIENCE_MS);
    line.close();
  }

  it('boots from its disk, offers its display, is paused and goes on, is reset and destroyed', async () => {
    const { vncPort } = await driver.start(plan(), context);
    expect(vncPort).toBeGreaterThanOrEqual(5900);
    await prints();
    await driver.pause(path);
    expect(await driver.inspect(path)).toMatchObject({ state: 'paused' });
    await driver.unpause(path);
    await prints();
    await driver.reset(path);
    expect(await driver.inspect(path)).toMatchObject({ state: 'running' });
    await prints();
    await expect(driver.setVncPassword(path, 'x')).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await driver.destroy(path);
    expect(domains().map(({ id }) => id)).toEqual([0]);
  });

  it('a medium is put into its drive, changed and taken out', async () => {
    await driver.start(plan(), context);
    const [first, second] = [makeImage(join(root, 'first')), makeImage(join(root, 'second'))];
    for (const medium of [first, second, undefined]) {
      await driver.changeMedium(path, disk('hdc', medium, true));
      const held = driver.holdings()[0]!.disks.filter(({ target }) => target === 'hdc');
      expect(held.map(({ source }) => source)).toEqual(medium === undefined ? [] : [medium]);
    }
    // It still has a device model.
    await prints();
    await expect(driver.changeMedium(path, disk('hdd', first, true))).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    await expect(driver.attachDisk(path, disk('hdb', first))).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
  });

  it('its state is put aside and brought back, by a later driver as well', async () => {
    await driver.start(plan(), context);
    await prints();
    const parts: Buffer[] = [];
    const sink = new PassThrough();
    sink.on('data', (part: Buffer) => parts.push(part));
    await driver.saveState(path, sink, context);
    expect(await driver.inspect(path)).toMatchObject({ state: 'paused' });
    await driver.destroy(path);
    await driver.close();
    driver = makeXenDriver(join(root, 'guests'));
    await driver.probe();
    await driver.adopt(context);
    await driver.restoreState(plan(), Readable.from(parts), context);
    await driver.unpause(path);
    await prints();
    await driver.changeMedium(path, disk('hdc', makeImage(join(root, 'medium')), true));
    await prints();
  });

  it('moves while it runs; a drive that was empty then takes no medium until the next start', async () => {
    await driver.start(plan(), context);
    await prints();
    const there = makeXenDriver(join(root, 'there'));
    try {
      await there.probe();
      await there.adopt(context);
      const [near, far] = duplexPair();
      const [{ id }] = await Promise.all([
        there.migration.receive(plan(), far, context),
        driver.migration.send(path, near, context, { hasArrived: () => Promise.reject(new Error('nobody asks')) }),
      ]);
      expect(domains()).toMatchObject([{ id: 0 }, { id, name: 'machine', isPaused: false }]);
      expect(await driver.inspect(path)).toMatchObject({ state: 'absent' });
      await prints();
      const medium = disk('hdc', makeImage(join(root, 'medium')), true);
      await expect(there.changeMedium(path, medium)).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
      await there.reset(path);
      await there.changeMedium(path, medium);
      await prints();
    } finally {
      await there.close();
    }
  });

  it('its memory is written to a file', async () => {
    await driver.start(plan(), context);
    await prints();
    const file = join(root, 'core');
    await driver.dumpCore(path, file, context);
    expect(statSync(file).size).toBeGreaterThan(32 * 2 ** 20);
    expect(await driver.inspect(path)).toMatchObject({ state: 'running' });
  });
});
