import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { type NewHeader, StateFiles } from '../../../src/services/state-files.ts';
import { mountSmall, unmount } from '../../support/small-disk.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const files = new StateFiles(systemClock);
const header: NewHeader = {
  agentVersion: '1',
  hypervisor: 'simulated',
  hypervisorVersion: '1',
  path: parseGuestPath('/OVS/running_pool/guest'),
  name: 'guest',
  uuid: 'u',
  configDigest: 'c',
  runId: 'r',
  savedAt: '2026-01-01T00:00:00.000Z',
  memoryMib: 1,
  wasPaused: true,
  disks: () => Promise.resolve([]),
};
const PAYLOAD = Buffer.from('memory '.repeat(50_000));

/** Writes it in pieces of several sizes. */
function produce(bytes: Buffer): (sink: Writable) => Promise<void> {
  return async sink => {
    for (let at = 0; at < bytes.length; at += 65_536) sink.write(bytes.subarray(at, at + 65_536));
    await new Promise<void>((resolve, reject) => {
      sink.once('error', reject);
      sink.end(resolve);
    });
  };
}

async function written(): Promise<string> {
  const file = join(temporaryDirectory(), 'guest.state');
  await files.write(file, header, produce(PAYLOAD), { estimateBytes: 4 * PAYLOAD.length });
  return file;
}

async function payloadOf(file: string): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of (await files.open(file)).payload) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

describe('a state file', () => {
  it('gives back what was written, with its header, and is private and no larger than it must be', async () => {
    const file = await written();
    expect(await files.readHeader(file)).toMatchObject({
      name: 'guest',
      wasPaused: true,
      payloadBytes: PAYLOAD.length,
    });
    await files.verify(file);
    expect((await payloadOf(file)).equals(PAYLOAD)).toBe(true);
    const { mode, size } = statSync(file);
    expect([mode & 0o777, size]).toEqual([0o600, 65_536 + PAYLOAD.length]);
    expect(readdirSync(join(file, '..'))).toEqual(['guest.state']);
  });

  it.each([
    ['its first line', 3],
    ['its header', 100],
    ['the padding of its header', 60_000],
    ['the first byte of its payload', 65_536],
    ['its payload', 200_000],
    ['its last byte', -1],
  ])('that is damaged in %s is refused, and left as it is', async (_where, place) => {
    const file = await written();
    const bytes = readFileSync(file);
    const at = place < 0 ? bytes.length + place : place;
    bytes[at] = bytes[at]! ^ 0x40;
    writeFileSync(file, bytes);
    await expect(files.verify(file)).rejects.toMatchObject({ code: 'BAD_VALUE' });
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it.each([
    ['that is cut off', (file: string): void => truncateSync(file, 100_000)],
    ['that is cut off in its header', (file: string): void => truncateSync(file, 1000)],
    ['that is empty', (file: string): void => truncateSync(file, 0)],
    ['that has more behind it', (file: string): void => appendFileSync(file, 'x')],
    ['of a newer agent', (file: string): void => writeFileSync(file, 'OVS-AGENT GUEST STATE 2\n{}\n')],
    ['that is none', (file: string): void => writeFileSync(file, 'a letter')],
  ])('%s is refused', async (_what, spoil) => {
    const file = await written();
    spoil(file);
    await expect(files.readHeader(file)).rejects.toMatchObject({ code: 'BAD_VALUE' });
  });

  it('that is not there is said to be so', async () => {
    await expect(files.readHeader(join(temporaryDirectory(), 'x'))).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
  });

  it('is not written where its name is taken, and leaves nothing when what makes it fails', async () => {
    const file = await written();
    await expect(files.write(file, header, produce(PAYLOAD), { estimateBytes: 1000 })).rejects.toMatchObject({
      code: 'EXISTS',
    });
    const other = join(file, '../other.state');
    const failing = (): Promise<void> => Promise.reject(new Error('the hypervisor failed'));
    await expect(files.write(other, header, failing, { estimateBytes: 1000 })).rejects.toMatchObject({ code: 'HOST' });
    expect(readdirSync(join(file, '..'))).toEqual(['guest.state']);
  });

  it('is not begun where there is no space for it, and leaves nothing where the space ends on the way', async () => {
    const place = temporaryDirectory();
    mountSmall(place, 40);
    try {
      const file = join(place, 'guest.state');
      await expect(files.write(file, header, produce(PAYLOAD), { estimateBytes: 60 * 2 ** 20 })).rejects.toMatchObject({
        code: 'NO_RESOURCES',
      });
      const tooLarge = Buffer.alloc(48 * 2 ** 20);
      await expect(files.write(file, header, produce(tooLarge), { estimateBytes: 2 ** 20 })).rejects.toMatchObject({
        code: 'NO_RESOURCES',
      });
      expect(existsSync(file)).toBe(false);
      expect(readdirSync(place)).toEqual([]);
    } finally {
      unmount(place);
    }
  });
});
