import { AgentError, asAgentError, type FailureCode } from '../errors.ts';
import type { Log } from '../host/log.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { Router } from '../roles/route.ts';
import type { EventLog } from '../services/event-log.ts';
import { failureReply } from '../xmlrpc/reply.ts';
import type { XmlRpcValue } from '../xmlrpc/values.ts';
import { type Call, mayAccess } from './call.ts';
import type { RegisteredMethod } from './method.ts';
import type { Registry } from './registry.ts';
import type { Services } from './services.ts';
import type { JobContext, JobRequest } from '../operations/jobs.ts';

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
  /** Runs a call that takes long as a job that others see. */
  readonly attend: <T>(request: JobRequest, work: (context: JobContext) => Promise<T>) => Promise<T>;
  /** Who did what: a line for each call that is more than a question, and for each that was refused. */
  readonly audit: Log;
  /** Told of each call that is more than a question, done or refused. */
  readonly events: Pick<EventLog, 'emit'>;
}

/** A call that can be made. */
export interface PreparedCall {
  readonly method: RegisteredMethod;
  readonly args: Readonly<Record<string, unknown>>;
  readonly guest: GuestPath | undefined;
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
    let prepared: PreparedCall | undefined;
    try {
      prepared = this.#read(name, params);
      this.#admit(call, name, prepared);
      const { args, guest, method } = prepared;
      const reply =
        method.isLong && call.job === undefined
          ? this.#attended(call, prepared, name, params)
          : method.invoke(this.#parts.services(), args, call);
      if (!(reply instanceof Promise)) {
        this.#logged(call, method, name, guest);
        return reply;
      }
      return this.#tracked(reply).then(
        value => {
          this.#logged(call, method, name, guest);
          return value;
        },
        (error: unknown) => this.#failed(call, name, guest, error),
      );
    } catch (error) {
      return this.#failed(call, name, prepared?.guest, error);
    }
  }

  /**
   * Finds the method, and reads its arguments, without doing anything yet.
   * @throws AgentError where the call cannot be made
   */
  prepare(call: Call, name: string, params: readonly XmlRpcValue[]): PreparedCall {
    const prepared = this.#read(name, params);
    this.#admit(call, name, prepared);
    return prepared;
  }

  /**
   * Makes the call of a job.
   * @throws AgentError where it fails, whatever the failure would travel as
   */
  async perform(call: Call, name: string, params: readonly XmlRpcValue[]): Promise<XmlRpcValue> {
    let prepared: PreparedCall | undefined;
    try {
      prepared = this.#read(name, params);
      this.#admit(call, name, prepared);
      const { args, guest, method } = prepared;
      const value = await this.#tracked(Promise.resolve(method.invoke(this.#parts.services(), args, call)));
      this.#logged(call, method, name, guest);
      return value;
    } catch (error) {
      this.#report(call, name, prepared?.guest, asAgentError(error));
      throw error;
    }
  }

  /** Takes no more calls; resolves when those that run have ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.allSettled(this.#running);
  }

  #read(name: string, params: readonly XmlRpcValue[]): PreparedCall {
    const method = this.#parts.registry.get(name);
    const args = readArguments(method, name, params);
    return { method, args, guest: guestOf(args) };
  }

  #admit(call: Call, name: string, { args, method }: PreparedCall): void {
    if (!mayAccess(call.access, method.access)) {
      throw new AgentError(
        'DENIED',
        `${name}: user ${call.user} has access "${call.access}"; it needs "${method.access}"`,
      );
    }
    if (this.#stopping)
      throw new AgentError('STOPPING', `${name}: the agent is stopping; call again when it has restarted`);
    this.#parts.router.route(method.server === undefined ? undefined : args[method.server]);
  }

  #attended(
    call: Call,
    { args, guest, method }: PreparedCall,
    name: string,
    params: readonly XmlRpcValue[],
  ): Promise<XmlRpcValue> {
    const { id, access, from, log, user } = call;
    return this.#parts.attend({ method: name, arguments: params, user, access, guest }, async context => {
      const attended = { id, access, from, user, log: log.child({ job: context.job }), ...context };
      return method.invoke(this.#parts.services(), args, attended);
    });
  }

  #tracked<T>(reply: Promise<T>): Promise<T> {
    this.#running.add(reply);
    const done = (): void => void this.#running.delete(reply);
    reply.then(done, done);
    return reply;
  }

  /** Acts are logged; questions only where somebody looks for them, for controllers ask several times a second. */
  #logged(call: Call, method: RegisteredMethod, name: string, guest: GuestPath | undefined): void {
    if (method.access === 'read') {
      if (this.#parts.log.isLevelEnabled('debug'))
        call.log.debug({ method: name, user: call.user, from: call.from }, 'answered');
      return;
    }
    const facts = { method: name, user: call.user, from: call.from, guest };
    call.log.info(facts, 'done');
    this.#parts.audit.info({ call: call.id, ...facts, outcome: 'done' });
    this.#tell(call, name, guest, 'done', `${call.user} called ${name}${guest === undefined ? '' : ` for ${guest}`}`);
  }

  /** A failure as the reply of a method, or thrown where it travels as a fault. */
  #failed(call: Call, name: string, guest: GuestPath | undefined, thrown: unknown): string {
    const error = asAgentError(thrown);
    this.#report(call, name, guest, error);
    if (FAULTS.includes(error.code)) throw error;
    return failureReply(error);
  }

  #report(call: Call, name: string, guest: GuestPath | undefined, error: AgentError): void {
    const facts = { method: name, user: call.user, from: call.from, code: error.code };
    this.#parts.audit.info({ call: call.id, ...facts, outcome: error.message });
    const isAct = (this.#parts.registry.find(name)?.access ?? 'read') !== 'read';
    if (isAct) this.#tell(call, name, guest, error.code, `${call.user} called ${name}, which failed: ${error.message}`);
    if (error.code === 'INTERNAL') call.log.error({ ...facts, err: error.cause ?? error }, 'call failed inside');
    else if (FAULTS.includes(error.code)) call.log.warn({ ...facts, reason: error.message }, 'call refused');
    else call.log.warn({ ...facts, reason: error.message, err: error.cause }, 'call failed');
  }

  /** Arguments are not told, for passwords are among them. */
  #tell(call: Call, method: string, guest: GuestPath | undefined, outcome: string, summary: string): void {
    this.#parts.events.emit({
      kind: 'call',
      ...(guest === undefined ? {} : { guest }),
      user: call.user,
      summary,
      data: { method, address: call.from, call: call.id, outcome },
    });
  }
}

/** Every method that acts on a guest reads its path as one. */
function guestOf(args: CallArguments): GuestPath | undefined {
  return args[GUEST_ARGUMENT] as GuestPath | undefined;
}

type CallArguments = Readonly<Record<string, unknown>>;

function readArguments(method: RegisteredMethod, name: string, params: readonly XmlRpcValue[]): CallArguments {
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
