import type { AgentPaths } from '../../src/config/paths.ts';
import { AgentError } from '../../src/errors.ts';
import { findNearest } from '../../src/model/nearest.ts';
import { answerOf, callLocalAgent, isNotRunning, notRunning } from '../local-agent.ts';

/** A row of `list_domains`. */
export interface DomainRow {
  readonly name: string;
  /** Empty for Domain-0, the server itself. */
  readonly path: string;
  readonly id: number;
  readonly memory: number;
  readonly vcpus: number;
  readonly state: string;
  readonly status: string;
  readonly time: number;
}

/** A row of `list_vms`: a guest that is registered, whether it runs or not. */
export interface GuestRow {
  readonly name: string;
  readonly path: string;
  readonly status: string;
  readonly memory?: number;
  readonly vcpus?: number;
  readonly uuid?: string;
  /** TCP port of its VNC server while it has one. */
  readonly vnc_port?: number;
}

const ANSWER_MS = 60_000;
/** Acts that write memory, or wait for a system to shut down. */
const LONG_MS = 24 * 3_600_000;

/** The agent of this server, as xm's commands use it. */
export class LocalAgent {
  readonly #paths: AgentPaths;
  readonly #answerMs: number;

  /** @param answerMs time for the answer to a question */
  constructor(paths: AgentPaths, answerMs = ANSWER_MS) {
    this.#paths = paths;
    this.#answerMs = answerMs;
  }

  get paths(): AgentPaths {
    return this.#paths;
  }

  /** @throws AgentError PEER_DOWN with what to do when no agent runs */
  async ask(method: string, ...params: readonly unknown[]): Promise<unknown> {
    return answerOf(await this.#call(method, params, this.#answerMs));
  }

  /** Makes a call that acts. @throws AgentError with the agent's words when it fails */
  async act(method: string, ...params: readonly unknown[]): Promise<string> {
    return String(answerOf(await this.#call(method, params, LONG_MS)));
  }

  async domains(): Promise<readonly DomainRow[]> {
    return (await this.ask('list_domains')) as readonly DomainRow[];
  }

  async guests(): Promise<readonly GuestRow[]> {
    return (await this.ask('list_vms')) as readonly GuestRow[];
  }

  /**
   * Finds a guest by its name, its path, or the number of its domain.
   * @throws AgentError NO_SUCH_GUEST, BAD_VALUE when several have the name
   */
  async find(domain: string): Promise<GuestRow> {
    const guests = await this.guests();
    const running = /^\d+$/.test(domain) ? await this.domains() : [];
    if (domain === '0' || domain === 'Domain-0') {
      throw new AgentError('BAD_VALUE', `Domain-0 is this server itself; xm acts on guests`);
    }
    const path = running.find(row => String(row.id) === domain)?.path ?? domain;
    const found = guests.filter(guest => guest.path === path || guest.name === domain);
    if (found.length > 1) {
      throw new AgentError(
        'BAD_VALUE',
        `several guests are named ${domain}: ${found.map(guest => guest.path).join(' ')}; give the path`,
      );
    }
    if (found[0]) return found[0];
    const near = findNearest(domain, guests, guest => guest.name);
    const hint = near ? `did you mean ${near.name}?` : '"xm list" shows the guests, "xm new FILE" makes one known';
    throw new AgentError('NO_SUCH_GUEST', `domain ${JSON.stringify(domain)} does not exist; ${hint}`);
  }

  async #call(method: string, params: readonly unknown[], timeoutMs: number): Promise<unknown> {
    try {
      return await callLocalAgent(this.#paths, method, params, timeoutMs);
    } catch (error) {
      throw isNotRunning(error) ? notRunning(this.#paths) : error;
    }
  }
}

/** The values of a reply of pairs, such as `success:cpu=1;load=2`. */
export function pairsOf(reply: string): ReadonlyMap<string, string> {
  const pairs = reply.replace(/^success[:=]?/, '').split(';');
  return new Map(pairs.map(pair => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
}
