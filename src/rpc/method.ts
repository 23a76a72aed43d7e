import type { FailureCode } from '../errors.ts';
import type { GuestStatus } from '../model/guest-state.ts';
import type { XmlRpcValue } from '../xmlrpc/values.ts';
import type { Access, Call } from './call.ts';
import type { Arguments, Params } from './params.ts';
import type { Result } from './results.ts';
import type { Services } from './services.ts';

/**
 * Where a call runs. `this-server`: on the agent that was called. `vm-server`: where the guest runs, or is to run;
 * other agents of a pool are reached by the form that `onHost` names.
 */
export type RunsOn = 'this-server' | 'vm-server';

/**
 * One RPC method: everything that the dispatcher, the documents, the page of methods and the tests know of it.
 * Every text is required, for half of them would be missing otherwise.
 */
export interface Method<P extends Params = Params, T = unknown> {
  readonly name: string;
  /** Second name of the method: the form that always runs on the server that receives it. */
  readonly onHost?: string;
  readonly area: string;
  readonly summary: string;
  readonly access: Access;
  readonly runsOn: RunsOn;
  readonly params: P;
  /** Name of the parameter that says on which server the call is to run. */
  readonly server?: keyof P & string;
  readonly returns: Result<T>;
  readonly errors: readonly FailureCode[];
  /** Takes long: its callers are shown to others as a job, which can be cancelled. */
  readonly isLong?: boolean;
  /**
   * Status of the guest once it is done. A call that an earlier agent was killed in is done when the guest has it, and can
   * be made again when it has not.
   */
  readonly leaves?: GuestStatus;
  /** A promise only where something is waited for: what is answered from memory is answered at once. */
  run(services: Services, args: Arguments<P>, call: Call): T | Promise<T>;
}

/** A method as the registry keeps it, with the types of its parameters checked and forgotten. */
export interface RegisteredMethod extends Omit<Method, 'run' | 'server' | 'returns'> {
  readonly server: string | undefined;
  readonly returns: { readonly summary: string; readonly wireType: string; readonly example: XmlRpcValue };
  readonly parameterNames: readonly string[];
  readonly requiredCount: number;
  invoke(services: Services, args: Readonly<Record<string, unknown>>, call: Call): XmlRpcValue | Promise<XmlRpcValue>;
}

export function defineMethod<const P extends Params, T>(method: Method<P, T>): RegisteredMethod {
  const parameterNames = Object.keys(method.params);
  const { returns } = method;
  return {
    ...method,
    server: method.server,
    parameterNames,
    requiredCount: parameterNames.filter(name => !method.params[name]!.isOptional).length,
    invoke(services, args, call) {
      const result = method.run(services, args as Arguments<P>, call);
      return result instanceof Promise ? result.then(value => returns.encode(value)) : returns.encode(result);
    },
  };
}
