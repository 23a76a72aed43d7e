import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AgentError, messageOf } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { SaveOptions } from '../driver.ts';
import type { QemuDomain } from './qemu-domain.ts';

/** What QEMU says of a migration (QAPI MigrationInfo). */
interface MigrationInfo {
  readonly status?: string;
  readonly ram?: { readonly total: number; readonly remaining: number };
  readonly 'error-desc'?: string;
}

/** Faster than any disk: QEMU's own limit of 128 MiB/s is one for networks. */
const MOST_BYTES_PER_SECOND = 2 ** 40;
const LOOK_MS = 100;
/** Time for QEMU to connect, or to take its end, once it was told to. */
const ANSWER_MS = 10_000;
/** Statuses that are final (QAPI MigrationStatus). */
const FINAL = ['completed', 'failed', 'cancelled'];

/**
 * The state of a QEMU as a stream of bytes: its migration (QEMU, "docs/devel/migration"), to and from a Unix socket in the run
 * directory. QEMU may start no programs and is handed no descriptors, so that the bytes come through the agent.
 */
export class StateTransfer {
  readonly #domain: QemuDomain;
  readonly #clock: Clock;

  constructor(domain: QemuDomain, clock: Clock) {
    this.#domain = domain;
    this.#clock = clock;
  }

  /**
   * Halts the guest and writes its state. It stays halted; where that fails or is given up it runs on if it ran before.
   * @throws AgentError CANCELLED, HYPERVISOR, and what the sink throws
   */
  async save(sink: Writable, { onProgress, signal }: SaveOptions): Promise<void> {
    const { status } = (await this.#domain.execute('query-status')) as { status?: unknown };
    const wasRunning = status === 'running';
    if (wasRunning) await this.#domain.execute('stop');
    try {
      await this.#send(sink, onProgress, signal);
    } catch (error) {
      await this.#takeBack(wasRunning);
      if (signal?.aborted) throw this.#failure('CANCELLED', 'save', 'it was given up', error);
      throw error;
    }
  }

  /**
   * Feeds a QEMU that was started to wait for a state.
   * @throws AgentError HYPERVISOR when it does not take the state, and what the source throws
   */
  async load(source: Readable, signal?: AbortSignal): Promise<void> {
    const path = this.#socketPath();
    await this.#domain.execute('migrate-incoming', { uri: `unix:${path}` });
    const socket = connect({ path });
    try {
      await pipeline(source, socket, signal ? { signal } : {});
    } catch (error) {
      socket.destroy();
      if (signal?.aborted) throw this.#failure('CANCELLED', 'restore', 'it was given up', error);
      // QEMU hangs up on a state that it cannot read; what it makes of it is asked below.
      if (!isHangUp(error)) throw error;
    }
    const { status, ...info } = await this.#untilFinal();
    if (status !== 'completed') {
      throw this.#failure('HYPERVISOR', 'restore', info['error-desc'] ?? 'QEMU does not take the state', undefined);
    }
    rmSync(path, { force: true });
  }

  async #send(sink: Writable, onProgress: SaveOptions['onProgress'], signal: AbortSignal | undefined): Promise<void> {
    const path = this.#socketPath();
    rmSync(path, { force: true });
    const server = createServer();
    const accepted = new Promise<Socket>((resolve, reject) => {
      server.once('connection', resolve);
      server.once('error', reject);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, resolve);
    });
    const looking = new AbortController();
    try {
      await this.#domain.execute('migrate-set-parameters', { 'max-bandwidth': MOST_BYTES_PER_SECOND });
      await this.#domain.execute('migrate', { uri: `unix:${path}` });
      const socket = await this.#within(accepted, 'QEMU does not connect to hand over its state');
      const progress = this.#tellProgress(onProgress, looking.signal);
      await pipeline(socket, sink, signal ? { signal } : {});
      looking.abort();
      await progress;
      const { status, ...info } = await this.#untilFinal();
      if (status !== 'completed') {
        throw this.#failure('HYPERVISOR', 'save', info['error-desc'] ?? `QEMU says ${status ?? 'nothing'}`, undefined);
      }
    } finally {
      looking.abort();
      server.close();
      rmSync(path, { force: true });
    }
  }

  /** Gives the migration up, and lets the guest run on. */
  async #takeBack(runs: boolean): Promise<void> {
    try {
      await this.#domain.execute('migrate_cancel');
      await this.#untilFinal();
      if (runs) await this.#domain.execute('cont');
    } catch (error) {
      // A QEMU that has ended has nothing to take back.
      if (this.#domain.isAlive()) throw error;
    }
  }

  async #untilFinal(): Promise<MigrationInfo> {
    const deadline = this.#clock.monotonic() + ANSWER_MS;
    for (;;) {
      let info: MigrationInfo;
      try {
        info = (await this.#domain.execute('query-migrate')) as MigrationInfo;
      } catch (error) {
        if (!this.#domain.isAlive()) return { status: 'failed', 'error-desc': 'QEMU ended' };
        throw error;
      }
      // Nothing was ever begun where there is no status.
      if (info.status === undefined || FINAL.includes(info.status)) return info;
      if (this.#clock.monotonic() > deadline) return { status: 'failed', 'error-desc': `QEMU says ${info.status}` };
      await this.#clock.sleep(LOOK_MS / 10);
    }
  }

  async #tellProgress(onProgress: SaveOptions['onProgress'], signal: AbortSignal): Promise<void> {
    if (!onProgress) return;
    while (!signal.aborted) {
      const { ram } = (await this.#domain.execute('query-migrate').catch(() => ({}))) as MigrationInfo;
      if (ram && ram.total > 0) onProgress(ram.total - ram.remaining, ram.total);
      await this.#clock.sleep(LOOK_MS, signal).catch(() => undefined);
    }
  }

  async #within<T>(promise: Promise<T>, why: string): Promise<T> {
    const stop = new AbortController();
    const late = this.#clock.sleep(ANSWER_MS, stop.signal).then(
      () => true,
      () => false,
    );
    const first = await Promise.race([promise, late]);
    stop.abort();
    if (typeof first === 'boolean') throw this.#failure('HYPERVISOR', 'save', why, undefined);
    return first;
  }

  #socketPath(): string {
    return join(this.#domain.place.directory, 'state');
  }

  #failure(code: 'CANCELLED' | 'HYPERVISOR', act: string, why: string, cause: unknown): AgentError {
    return new AgentError(code, `${act} ${this.#domain.path}: ${why}`, { cause });
  }
}

function isHangUp(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'EPIPE' || code === 'ECONNRESET' || messageOf(error) === 'Premature close';
}
