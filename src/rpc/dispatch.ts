import { AgentError, asAgentError, type FailureCode } from '../errors.ts';
import type { Log } from '../host/log.ts';
import type { Router } from '../roles/route.ts';
import { failureReply } from '../xmlrpc/reply.ts';
import type { XmlRpcValue } from '../xmlrpc/values.ts';
import { type Call, mayAccess } from './call.ts';
import type { RegisteredMethod } from './method.ts';
import type { Registry } from './registry.ts';
import type { Services } from './services.ts';

/** By this name every method that acts on a guest has its path. */
const GUEST_ARGUMENT = 'vm_path';

/** Failures of the call itself, which travel as faults; all others are a method's own answer. */
const FAULTS: readonly FailureCode[] = ['MALFORMED', 'NO_SUCH_METHOD', 'WRONG_PARAMETERS', 'INTERNAL'];

export interface DispatcherParts {
  readonly registry: Registry;
  readonly router: Router;
  /** A function, because some methods (introspection) answer from the dispatcher itself. */
  readonly services: () => Services;
  readonly log: Log;
  /** Who did what: a line for each call that is more than a question, and for each that was refused. */
  readonly audit: Log;
}

/** The one path that every call takes: find, authorise, read the arguments, route, run, reply. */
export class Dispatcher {
  readonly #parts: DispatcherParts;
  readonly #running = new Set<Promise<unknown>>();
  #stopping = false;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
  }

  /**
   * @returns the reply: a promise only where the method waits for something
   * @throws AgentError of a code that travels as a fault
   */
  dispatch(call: Call, name: string, params: readonly XmlRpcValue[]): XmlRpcValue | Promise<XmlRpcValue> {
    try {
      const method = this.#parts.registry.get(name);
      const args = readArguments(method, name, params);
      if (!mayAccess(call.access, method.access)) {
        throw new AgentError(
          'DENIED',
          `${name}: user ${call.user} has access "${call.access}"; it needs "${method.access}"`,
        );
      }
      if (this.#stopping)
        throw new AgentError('STOPPING', `${name}: the agent is stopping; call again when it has restarted`);
      this.#parts.router.route(method.server === undefined ? undefined : args[method.server]);
      const reply = method.invoke(this.#parts.services(), args, call);
      if (!(reply instanceof Promise)) {
        this.#logged(call, method, name, args);
        return reply;
      }
      return this.#tracked(reply).then(
        value => {
          this.#logged(call, method, name, args);
          return value;
        },
        (error: unknown) => this.#failed(call, name, error),
      );
    } catch (error) {
      return this.#failed(call, name, error);
    }
  }

  /** Takes no more calls; resolves when those that run have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.allSettled(this.#running);
  }

  #tracked<T>(reply: Promise<T>): Promise<T> {
    this.#running.add(reply);
    const done = (): void => void this.#running.delete(reply);
    reply.then(done, done);
    return reply;
  }

  /** Acts are logged; questions only where somebody looks for them, for controllers ask several times a second. */
  #logged(call: Call, method: RegisteredMethod, name: string, args: Readonly<Record<string, unknown>>): void {
    if (method.access === 'read') {
      if (this.#parts.log.isLevelEnabled('debug'))
        call.log.debug({ method: name, user: call.user, from: call.from }, 'answered');
      return;
    }
    const facts = { method: name, user: call.user, from: call.from, guest: args[GUEST_ARGUMENT] };
    call.log.info(facts, 'done');
    this.#parts.audit.info({ call: call.id, ...facts, outcome: 'done' });
  }

  #failed(call: Call, name: string, thrown: unknown): string {
    const error = asAgentError(thrown);
    const facts = { method: name, user: call.user, from: call.from, code: error.code };
    this.#parts.audit.info({ call: call.id, ...facts, outcome: error.message });
    if (FAULTS.includes(error.code)) {
      if (error.code === 'INTERNAL') call.log.error({ ...facts, err: error.cause ?? error }, 'call failed inside');
      else call.log.warn({ ...facts, reason: error.message }, 'call refused');
      throw error;
    }
    call.log.warn({ ...facts, reason: error.message, err: error.cause }, 'call failed');
    return failureReply(error);
  }
}

function readArguments(
  method: RegisteredMethod,
  name: string,
  params: readonly XmlRpcValue[],
): Readonly<Record<string, unknown>> {
  const { parameterNames, requiredCount } = method;
  if (params.length < requiredCount || params.length > parameterNames.length) {
    const wanted =
      requiredCount === parameterNames.length ? `${requiredCount}` : `${requiredCount} to ${parameterNames.length}`;
    const form = `${name}(${parameterNames.join(', ')})`;
    throw new AgentError('WRONG_PARAMETERS', `${form} takes ${wanted} arguments, not ${params.length}`);
  }
  const args: Record<string, unknown> = {};
  for (let index = 0; index < params.length; index++) {
    const parameter = parameterNames[index]!;
    args[parameter] = method.params[parameter]!.parse(params[index]!, parameter);
  }
  return args;
}
