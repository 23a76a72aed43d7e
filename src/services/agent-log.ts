import { open } from 'node:fs/promises';

/** Logs that can be read over RPC, by name. */
export const readableLogs = ['ovs_trace', 'audit'] as const;
export type ReadableLog = (typeof readableLogs)[number];

const BLOCK_BYTES = 64 * 1024;
/** Most of a log that is looked at, so that long lines cannot fill the memory. */
const LIMIT_BYTES = 4 * 1024 * 1024;

/** The agent's own logs. */
export class AgentLog {
  readonly #fileOf: (name: ReadableLog) => string;

  constructor(fileOf: (name: ReadableLog) => string) {
    this.#fileOf = fileOf;
  }

  /** The last lines of a log, oldest first. */
  async tail(name: ReadableLog, lines: number): Promise<readonly string[]> {
    const handle = await open(this.#fileOf(name), 'r');
    try {
      const { size } = await handle.stat();
      const blocks: Buffer[] = [];
      let start = size;
      let newlines = 0;
      while (start > 0 && newlines <= lines && size - start < LIMIT_BYTES) {
        const length = Math.min(BLOCK_BYTES, start);
        start -= length;
        const block = Buffer.alloc(length);
        await handle.read(block, 0, length, start);
        newlines += block.filter(byte => byte === 0x0a).length;
        blocks.unshift(block);
      }
      const text = Buffer.concat(blocks).toString();
      // What was cut in the middle of a line is no line.
      const whole = start > 0 ? text.slice(text.indexOf('\n') + 1) : text;
      return whole
        .split('\n')
        .filter(line => line !== '')
        .slice(-lines);
    } finally {
      await handle.close();
    }
  }
}
