import { AgentError, messageOf } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import { type CommandResult, runCommand } from '../../host/command.ts';
import { type DomainRow, failureOf, parseDomainList, parseInfo, type XenInfo } from './xl-output.ts';

/** Time for a command that neither moves memory nor waits for a guest. */
const USUAL_MS = 60_000;

export interface XlOptions {
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Command that runs it. */
  readonly before?: readonly string[];
}

/** The program `xl` of this server: argument lists, time limits, and what it prints. */
export class Xl {
  readonly #program: string;
  readonly #clock: Clock;
  #running: Promise<readonly DomainRow[]> | undefined;
  #next: Promise<readonly DomainRow[]> | undefined;

  constructor(program: string, clock: Clock) {
    this.#program = program;
    this.#clock = clock;
  }

  run(args: readonly string[], { before = [], signal, timeoutMs = USUAL_MS }: XlOptions = {}): Promise<CommandResult> {
    const [command, ...rest] = [...before, this.#program, ...args];
    return runCommand(command!, rest, { timeoutMs, clock: this.#clock, ...(signal && { signal }) });
  }

  /**
   * Like `run`, and a failure of xl is one of the act.
   * @param act such as `pause /OVS/running_pool/web`
   * @throws AgentError HYPERVISOR with what xl says, TIMEOUT, CANCELLED, HOST
   */
  async act(act: string, args: readonly string[], options?: XlOptions): Promise<string> {
    const { exitCode, stderr, stdout } = await this.run(args, options).catch((error: unknown) => {
      if (!(error instanceof AgentError)) throw error;
      throw new AgentError(error.code, `${act}: ${messageOf(error)}`, { cause: error });
    });
    if (exitCode === 0) return stdout;
    throw new AgentError('HYPERVISOR', `${act}: ${failureOf(stderr) || `xl ${args[0]} ended with ${exitCode}`}`);
  }

  /**
   * The domains there are now, of everybody. Those who ask while another answer is on its way share the one after it, which
   * was asked for after they were.
   */
  list(): Promise<readonly DomainRow[]> {
    if (!this.#running) return this.#ask();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#ask();
      });
    return this.#next;
  }

  async info(): Promise<XenInfo> {
    return parseInfo(await this.act('ask Xen', ['info']));
  }

  #ask(): Promise<readonly DomainRow[]> {
    const asked = this.act('ask Xen for its domains', ['list', '-v']).then(parseDomainList);
    this.#running = asked;
    const done = (): void => {
      if (this.#running === asked) this.#running = undefined;
    };
    asked.then(done, done);
    return asked;
  }
}
