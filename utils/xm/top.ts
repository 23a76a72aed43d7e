import type { AgentPaths } from '../../src/config/paths.ts';
import { messageOf } from '../../src/errors.ts';
import { systemClock } from '../../src/host/clock.ts';
import { untilInterrupted } from '../program.ts';
import { LocalAgent, pairsOf } from './agent.ts';
import { drawTop, pressed, type ScreenSize, type TopRow, type TopState } from './top-screen.ts';

export interface TopOptions {
  /** Seconds between two looks. */
  readonly delayS: number;
  /** Print text, one look after the other. */
  readonly batch: boolean;
  /** Looks to take before it ends; for ever when left out. */
  readonly iterations: number | undefined;
}

/** Time for an answer: an agent that hangs is said to, and asked again. */
const LOOK_MS = 5_000;

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** Shows what guests use until somebody has seen enough: on a terminal in place, elsewhere as text. */
export async function runTop(paths: AgentPaths, options: TopOptions): Promise<void> {
  const agent = new LocalAgent(paths, LOOK_MS);
  const first = await look(agent, {
    rows: [],
    host: new Map(),
    at: new Date(),
    sort: 'cpu',
    isReversed: false,
    delayS: options.delayS,
    showsHelp: false,
    typed: undefined,
    message: undefined,
  });
  const isPlain = options.batch || !process.stdout.isTTY || !process.stdin.isTTY || process.env['TERM'] === 'dumb';
  if (isPlain) await printAgainAndAgain(agent, first, options);
  else await new Terminal(agent, first, options.iterations).run();
}

/** Of a terminal that does not tell its size. */
const DEFAULT_SIZE: ScreenSize = { columns: 80, lines: 24 };

/** What there is to see now; an agent that does not answer is said to be gone, and asked again at the next look. */
async function look(agent: LocalAgent, state: TopState): Promise<TopState> {
  try {
    const [rows, info] = await Promise.all([agent.domains(), agent.ask('xen_get_xm_info')]);
    return {
      ...state,
      rows: rows as readonly TopRow[],
      host: pairsOf(String(info)),
      at: new Date(),
      message: undefined,
    };
  } catch (error) {
    return { ...state, at: new Date(), message: messageOf(error) };
  }
}

async function printAgainAndAgain(agent: LocalAgent, first: TopState, { iterations }: TopOptions): Promise<void> {
  const size = { columns: 200, lines: 10_000 };
  const ended = untilInterrupted();
  // Of the processor's share nothing is known at the first look.
  let state = first;
  for (let count = 1; ; count++) {
    process.stdout.write(
      `${drawTop(state, size)
        .map(line => line.trimEnd())
        .join('\n')}\n\n`,
    );
    if (count === iterations) return;
    await systemClock.sleep(state.delayS * 1000, ended).catch(() => undefined);
    if (ended.aborted) return;
    state = await look(agent, state);
  }
}

/** The screen and the keys of a terminal. It is left as it was found, however this ends. */
class Terminal {
  readonly #agent: LocalAgent;
  readonly #iterations: number | undefined;
  #state: TopState;
  #wake = new AbortController();
  #isOver = false;
  #announceEnd: () => void = () => undefined;
  /** So that nobody who leaves waits for an agent that hangs. */
  readonly #ended = new Promise<undefined>(resolve => {
    this.#announceEnd = () => resolve(undefined);
  });

  constructor(agent: LocalAgent, first: TopState, iterations: number | undefined) {
    this.#agent = agent;
    this.#state = first;
    this.#iterations = iterations;
  }

  async run(): Promise<void> {
    const onData = (data: Buffer): void => this.#type(data.toString());
    const onResize = (): void => this.#draw();
    const onSignal = (): void => this.#end();
    process.stdout.write(ENTER);
    process.stdin.setRawMode(true);
    process.stdin.on('data', onData).resume();
    process.stdout.on('resize', onResize);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    try {
      for (let count = 1; !this.#isOver; count++) {
        this.#draw();
        if (count === this.#iterations) break;
        await systemClock.sleep(this.#state.delayS * 1000, this.#wake.signal).catch(() => undefined);
        this.#wake = new AbortController();
        if (this.#hasEnded()) break;
        const seen = await Promise.race([look(this.#agent, this.#state), this.#ended]);
        if (seen) this.#state = { ...seen, ...this.#choices() };
      }
    } finally {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, onSignal);
      process.stdout.off('resize', onResize);
      process.stdin.off('data', onData).pause();
      process.stdin.setRawMode(false);
      process.stdout.write(LEAVE);
    }
  }

  #hasEnded(): boolean {
    return this.#isOver;
  }

  /** What was chosen by keys, be it while a look was taken. */
  #choices(): Pick<TopState, 'sort' | 'isReversed' | 'delayS' | 'showsHelp' | 'typed'> {
    const { delayS, isReversed, showsHelp, sort, typed } = this.#state;
    return { delayS, isReversed, showsHelp, sort, typed };
  }

  /** A terminal may hand over several keys at once, and arrows as three characters. */
  #type(text: string): void {
    for (const [key] of text.matchAll(/\u001b\[[A-D]|[\s\S]/gu)) {
      const next = pressed(this.#state, key);
      if (next === 'quit') {
        this.#end();
        return;
      }
      if (next === 'look') this.#wake.abort();
      else this.#state = next;
    }
    this.#draw();
  }

  #end(): void {
    this.#isOver = true;
    this.#announceEnd();
    this.#wake.abort();
  }

  #draw(): void {
    if (this.#isOver) return;
    const { columns, rows } = process.stdout;
    const size: ScreenSize = { columns: columns || DEFAULT_SIZE.columns, lines: rows || DEFAULT_SIZE.lines };
    const lines = drawTop(this.#state, size).map(line => line.trimEnd() + CLEAR_LINE);
    process.stdout.write(HOME + lines.join('\r\n') + CLEAR_BELOW);
  }
}
