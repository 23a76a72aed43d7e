/**
 * What `xl migrate-receive` says to `xl migrate` (tools/xl/xl_migrate.c of Xen 4.17). All but the first message end with a NUL.
 * In the order of the talk: BANNER, then READY once the memory has come; the sender answers GO; then REPORT and one byte, 0 where
 * the copy runs, and where it does not GO once more, now as leave for the sender to go on.
 */
const BANNER = Buffer.from('xl migration receiver ready, send binary domain data.\n');
const READY = Buffer.from('domain received, ready to unpause\0');
const GO = Buffer.from('domain is yours, you are cleared to unpause\0');
const REPORT = Buffer.from('my copy unpause results are as follows\0');

/** The two last words that a sender can hear. */
export const ARRIVED = Buffer.concat([REPORT, Buffer.from([0])]);
export const NOT_ARRIVED = Buffer.concat([REPORT, Buffer.from([1]), GO]);

/**
 * `early`: a copy that is given up here loses nothing. `committed`: the sender has been let go on to its last step, and only who
 * knows the other side knows which copy is to live. `told`: the sender has heard it.
 */
export type Stage = 'early' | 'committed' | 'told';

/**
 * Passes a receiver's replies on to the sender. The verdict is passed on as a whole or not at all, so that where the connection
 * breaks in its midst another can be put in its place.
 */
export class MigrationReplies {
  #stage: Stage = 'early';
  #held = Buffer.alloc(0);
  #passed = 0;

  get stage(): Stage {
    return this.#stage;
  }

  /**
   * @returns what is to be passed on now
   * @throws Error when it is nothing that a receiver says
   */
  read(part: Buffer): Buffer {
    if (this.#stage === 'told') return Buffer.alloc(0);
    this.#held = Buffer.concat([this.#held, part]);
    const opening = this.#stage === 'early' ? this.#readOpening() : Buffer.alloc(0);
    return Buffer.concat([opening, this.#stage === 'committed' ? this.#readVerdict() : Buffer.alloc(0)]);
  }

  /** The verdict of who has found out otherwise. */
  decide(hasArrived: boolean): Buffer {
    this.#stage = 'told';
    return hasArrived ? ARRIVED : NOT_ARRIVED;
  }

  #readOpening(): Buffer {
    const expected = Buffer.concat([BANNER, READY]).subarray(this.#passed);
    const taken = this.#held.subarray(0, expected.length);
    if (!taken.equals(expected.subarray(0, taken.length))) throw notSaid();
    this.#passed += taken.length;
    this.#held = this.#held.subarray(taken.length);
    if (taken.length === expected.length) this.#stage = 'committed';
    return taken;
  }

  #readVerdict(): Buffer {
    const isFailure = this.#held.length > REPORT.length && this.#held[REPORT.length] !== 0;
    const expected = isFailure
      ? Buffer.concat([REPORT, this.#held.subarray(REPORT.length, REPORT.length + 1), GO])
      : ARRIVED;
    const begun = this.#held.subarray(0, expected.length);
    if (!begun.equals(expected.subarray(0, begun.length))) throw notSaid();
    if (begun.length < expected.length) return Buffer.alloc(0);
    this.#stage = 'told';
    return expected;
  }
}

function notSaid(): Error {
  return new Error('the other side says what no receiver of Xen says');
}
