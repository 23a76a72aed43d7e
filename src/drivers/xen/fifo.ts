import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Clock } from '../../host/clock.ts';
import { runCheckedCommand } from '../../host/command.ts';

const LOOK_MS = 10;

/** A named pipe between the agent and a program that takes file names only. No thread of the agent ever waits for the other side. */
export class Fifo {
  readonly path: string;
  readonly #clock: Clock;
  #socket: Socket | undefined;
  #held: number | undefined;
  #hasProgramEnded = false;

  private constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  static async make(path: string, clock: Clock): Promise<Fifo> {
    rmSync(path, { force: true });
    await runCheckedCommand('mkfifo', ['-m', '600', path], { timeoutMs: 10_000, clock });
    return new Fifo(path, clock);
  }

  /** What the program writes. It ends once the program has ended, which `programEnded` tells. */
  reader(): Socket {
    const fd = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
    // As long as somebody has it open for writing, a program that has not begun is not taken for one that is done.
    this.#held = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd, readable: true, writable: false });
    return this.#socket;
  }

  /**
   * What the program reads, once it has opened it: to it an end that came before would be none.
   * @returns undefined when the program has ended before
   */
  async writer(): Promise<Socket | undefined> {
    for (;;) {
      try {
        const fd = openSync(this.path, constants.O_WRONLY | constants.O_NONBLOCK);
        this.#socket = new Socket({ fd, readable: false, writable: true });
        return this.#socket;
      } catch (error) {
        // Nobody has it open for reading (open(2)).
        if ((error as { code?: unknown }).code !== 'ENXIO') throw error;
      }
      if (this.#hasProgramEnded) return undefined;
      await this.#clock.sleep(LOOK_MS);
    }
  }

  /** Until the program has ended, lets one that has yet to open the pipe for writing find that nobody reads. */
  async refuse(): Promise<void> {
    while (!this.#hasProgramEnded) {
      closeSync(openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK));
      await this.#clock.sleep(LOOK_MS);
    }
  }

  programEnded(): void {
    this.#hasProgramEnded = true;
    if (this.#held === undefined) return;
    closeSync(this.#held);
    this.#held = undefined;
  }

  remove(): void {
    this.programEnded();
    this.#socket?.destroy();
    rmSync(this.path, { force: true });
  }
}
