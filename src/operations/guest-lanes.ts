import { AgentError } from '../errors.ts';

interface Lane {
  tail: Promise<unknown>;
  waiting: number;
  act: string;
}

/** One lane per guest: acts on the same guest run one after the other, acts on different guests side by side. */
export class GuestLanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #limit: number;

  /** @param limit most acts in one lane, the one that runs included */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /**
   * Runs `work` once all earlier acts on the guest have ended, however they ended.
   * @throws AgentError BUSY when the lane is full
   */
  run<T>(path: string, act: string, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(path);
    if (lane && lane.waiting >= this.#limit) {
      const others = lane.waiting - 1;
      throw new AgentError(
        'BUSY',
        `${act} ${path}: "${lane.act}" runs and ${others} acts wait for this guest; try again when they are done`,
      );
    }
    return this.follow(path, act, work);
  }

  /** Like `run` without a limit: for what the agent itself must do and callers cannot multiply. */
  follow<T>(path: string, act: string, work: () => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(path) ?? { tail: Promise.resolve(), waiting: 0, act };
    this.#lanes.set(path, lane);
    lane.waiting++;
    const result = lane.tail.then(() => {
      lane.act = act;
      return work();
    });
    lane.tail = result
      .catch(() => undefined)
      .then(() => {
        lane.waiting--;
        if (lane.waiting === 0) this.#lanes.delete(path);
      });
    return result;
  }

  /** What is acted on now, and by which act. */
  busy(): readonly { readonly path: string; readonly act: string }[] {
    return [...this.#lanes].map(([path, { act }]) => ({ path, act }));
  }

  /** Resolves when no act runs or waits. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all([...this.#lanes.values()].map(lane => lane.tail));
  }
}
