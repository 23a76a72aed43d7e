/** The series of this server; those of guests have their paths. */
export const SERVER_SERIES = '';

/** Figures at one time: of one sample, or the means of a span that begins then. */
export interface PerformanceSample {
  /** Seconds since 1970-01-01 UTC. */
  readonly at: number;
  readonly figures: Readonly<Record<string, number>>;
}

export interface PerformanceSeries {
  readonly series: string;
  readonly samples: readonly PerformanceSample[];
}

/** How far samples reach back, and how long a span each stands for; both in seconds. */
export interface PerformanceRing {
  /** 0: each sample for itself. */
  readonly spanSeconds: number;
  readonly keptSeconds: number;
}

/** From the finest to the coarsest; each is made of the one before. */
export const performanceRings = [
  { spanSeconds: 0, keptSeconds: 3600 },
  { spanSeconds: 60, keptSeconds: 86_400 },
  { spanSeconds: 900, keptSeconds: 30 * 86_400 },
] as const satisfies readonly PerformanceRing[];

/** Samples of the past, in rings that do not grow. They may be lost: nothing but curiosity depends on them. */
export interface PerformanceStore {
  /** Adds samples of some series to the finest ring and brings the coarser ones in line, in one transaction. */
  append(batch: readonly PerformanceSeries[]): void;
  /** In the order of time; both ends belong to it. */
  read(series: string, ring: PerformanceRing, fromSeconds: number, toSeconds: number): readonly PerformanceSample[];
  /** Removes what is too old, of some series at each call, so that none takes long. */
  prune(nowSeconds: number): void;
  close(): void;
}
