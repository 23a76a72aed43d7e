import { AgentError } from '../errors.ts';
import type { Log } from '../host/log.ts';
import type { GuestStatus } from '../model/guest-state.ts';
import type { Job } from '../operations/job-record.ts';
import type { JobContext, Jobs } from '../operations/jobs.ts';
import { isStruct, type XmlRpcValue } from '../xmlrpc/values.ts';
import { type Access, accessLevels, type Call } from './call.ts';
import type { Dispatcher } from './dispatch.ts';
import type { Registry } from './registry.ts';

export interface JobCallsParts {
  readonly registry: Registry;
  readonly dispatcher: () => Dispatcher;
  readonly log: Log;
  /** What is stored of a guest. */
  readonly statusOf: (path: string) => GuestStatus | undefined;
}

/** Calls of methods as jobs: which may be, and how they are made. */
export class JobCalls {
  readonly #parts: JobCallsParts;

  constructor(parts: JobCallsParts) {
    this.#parts = parts;
  }

  /**
   * Takes a call as a job. Everything that can be known beforehand is looked at first: a call that could not be made is
   * refused as it would be without a job.
   */
  submit(jobs: Jobs, call: Call, method: string, args: readonly XmlRpcValue[], key: string | undefined): Promise<Job> {
    const { guest, method: found } = this.#parts.dispatcher().prepare(call, method, args);
    if (found.access === 'read' || found.area === 'Jobs') {
      throw new AgentError('BAD_VALUE', `submit ${method}: it changes nothing; call it directly`);
    }
    const secret = found.parameterNames.find(
      (name, index) =>
        found.params[name]!.isSecret === true && index < args.length && args[index] !== '' && args[index] !== null,
    );
    if (secret !== undefined) {
      throw new AgentError(
        'NOT_SUPPORTED',
        `submit ${method}: argument ${secret} may hold a password, and jobs are written down; call it directly`,
      );
    }
    if (!args.every(isPlain)) {
      throw new AgentError(
        'BAD_VALUE',
        `submit ${method}: texts, numbers, booleans, arrays and structs can be kept, no others`,
      );
    }
    const { access, user } = call;
    return jobs.submit({ method, arguments: args, user, access, guest }, key);
  }

  perform(job: Job, context: JobContext): Promise<XmlRpcValue> {
    const call: Call = {
      id: `job-${job.id}`,
      user: job.user,
      access: accessOf(job.access),
      from: 'job',
      log: this.#parts.log.child({ job: job.id }),
      ...context,
    };
    return this.#parts.dispatcher().perform(call, job.method, job.arguments as readonly XmlRpcValue[]);
  }

  isRepeatable(method: string): boolean {
    return this.#parts.registry.find(method)?.leaves !== undefined;
  }

  hasHappened({ guest, method }: Job): boolean {
    const leaves = this.#parts.registry.find(method)?.leaves;
    return leaves !== undefined && guest !== undefined && this.#parts.statusOf(guest) === leaves;
  }
}

/** A level that nobody knows any more allows nothing beyond questions. */
function accessOf(text: string): Access {
  return accessLevels.find(level => level === text) ?? 'read';
}

/** Whether JSON keeps a value as it is. */
function isPlain(value: XmlRpcValue): boolean {
  if (Array.isArray(value)) return (value as readonly XmlRpcValue[]).every(isPlain);
  if (isStruct(value)) return Object.values(value).every(isPlain);
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}
