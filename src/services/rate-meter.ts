/** Shortest time over which a first rate is taken: the kernel counts processor time in hundredths of a second. */
export const SHORTEST_SPAN_MS = 200;
/** And a later one, so that questions that follow each other closely do not make it coarse. */
const USUAL_SPAN_MS = 900;

/** Makes rates of counters that grow: differences over the real time between two readings. */
export class RateMeter<K extends string> {
  #from: { readonly at: number; readonly counters: Readonly<Record<K, number>> } | undefined;
  #rates: Readonly<Record<K, number>> | undefined;

  /**
   * @param at monotonic milliseconds at which they were read
   * @returns what they grow by each second; undefined before there are two readings far enough apart
   */
  update(counters: Readonly<Record<K, number>>, at: number): Readonly<Record<K, number>> | undefined {
    const from = this.#from;
    if (from) {
      const spanMs = at - from.at;
      if (spanMs < (this.#rates ? USUAL_SPAN_MS : SHORTEST_SPAN_MS)) return this.#rates;
      const rates = {} as Record<K, number>;
      // A counter falls where what it counts was taken away or began anew; nothing is known of that span.
      for (const key in counters) rates[key] = Math.max(0, counters[key] - from.counters[key]) / (spanMs / 1000);
      this.#rates = rates;
    }
    this.#from = { at, counters };
    return this.#rates;
  }
}
