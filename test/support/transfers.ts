import type { Readable } from 'node:stream';
import { type Clock, systemClock } from '../../src/host/clock.ts';
import type { TransferOptions } from '../../src/transfers/whole-content.ts';
import { parseSource } from '../../src/transfers/source.ts';
import { openTransfer } from '../../src/transfers/transfer.ts';

/** A clock that is real, but for its sleepers, who are woken at once and whose times are kept. */
export function impatientClock(): { readonly clock: Clock; readonly sleptMs: number[] } {
  const sleptMs: number[] = [];
  const sleep = (ms: number): Promise<void> => {
    sleptMs.push(ms);
    return Promise.resolve();
  };
  return { clock: { ...systemClock, sleep }, sleptMs };
}

/** Options under which loopback servers are given enough time, and broken transfers are taken up at once. */
export function transferOptions(changes: Partial<TransferOptions> = {}): TransferOptions {
  return { clock: impatientClock().clock, limitBytes: 2 ** 30, idleTimeoutMs: 10_000, ...changes };
}

export async function bytesOf(stream: Readable): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

/** The whole file. */
export async function fetched(source: string, changes: Partial<TransferOptions> = {}): Promise<Buffer> {
  return bytesOf((await openTransfer(parseSource(source), transferOptions(changes))).stream);
}

/** Bytes of which each piece is different from every other. */
export function distinctBytes(count: number): Buffer {
  const bytes = Buffer.alloc(count);
  for (let at = 0; at + 4 <= count; at += 4) bytes.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 0, at);
  return bytes;
}
