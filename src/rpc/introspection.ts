import { AgentError } from '../errors.ts';
import type { XmlRpcStruct, XmlRpcValue } from '../xmlrpc/values.ts';
import type { Call } from './call.ts';
import { faultOf } from './fault.ts';
import type { Dispatcher } from './dispatch.ts';
import type { RegisteredMethod } from './method.ts';
import { callForm } from './reference.ts';
import type { Registry } from './registry.ts';

const MULTICALL = 'system.multicall';
/** Most calls in one multicall. */
const MULTICALL_LIMIT = 1000;

/** The `system.*` methods (http://xmlrpc-c.sourceforge.net/introspection.html, and Eric Kidd's system.multicall). */
export class Introspection {
  readonly #registry: Registry;
  readonly #dispatcher: Dispatcher;

  constructor(registry: Registry, dispatcher: Dispatcher) {
    this.#registry = registry;
    this.#dispatcher = dispatcher;
  }

  listMethods(): XmlRpcValue {
    return this.#registry.names;
  }

  /** One signature for each number of arguments that the method takes, the type of the reply first. */
  methodSignature(name: string): XmlRpcValue {
    const method = this.#registry.get(name);
    const types = Object.values(method.params).map(param => param.wireType);
    const signatures: string[][] = [];
    for (let count = method.requiredCount; count <= types.length; count++) {
      signatures.push([method.returns.wireType, ...types.slice(0, count)]);
    }
    return signatures;
  }

  methodHelp(name: string): XmlRpcValue {
    return methodHelpText(this.#registry.get(name), name);
  }

  /** Runs the calls in order. Each answer is an array of the one reply, or the struct of a fault. */
  async multicall(call: Call, calls: readonly XmlRpcValue[]): Promise<XmlRpcValue> {
    if (calls.length > MULTICALL_LIMIT) {
      throw new AgentError(
        'WRONG_PARAMETERS',
        `${MULTICALL}: ${calls.length} calls are too many; ${MULTICALL_LIMIT} are allowed`,
      );
    }
    const answers: XmlRpcValue[] = [];
    for (const [index, item] of calls.entries()) answers.push(await this.#oneOf(call, item, index));
    return answers;
  }

  async #oneOf(call: Call, item: XmlRpcValue, index: number): Promise<XmlRpcValue> {
    try {
      const { methodName, params } = (item ?? {}) as XmlRpcStruct;
      if (typeof methodName !== 'string' || !Array.isArray(params)) {
        throw new AgentError(
          'WRONG_PARAMETERS',
          `${MULTICALL}: call ${index} must be a struct of methodName and params`,
        );
      }
      if (methodName === MULTICALL) {
        throw new AgentError(
          'WRONG_PARAMETERS',
          `${MULTICALL}: call ${index} is itself a ${MULTICALL}; it must not be`,
        );
      }
      return [await this.#dispatcher.dispatch(call, methodName, params as readonly XmlRpcValue[])];
    } catch (error) {
      const { number, message } = faultOf(error);
      return { faultCode: number, faultString: message };
    }
  }
}

/** Plain text for people: what the method does, takes, answers, and how it fails. */
export function methodHelpText(method: RegisteredMethod, name = method.name): string {
  const lines = [callForm(method, name), '', method.summary];
  for (const parameter of method.parameterNames) {
    const { wireType, summary } = method.params[parameter]!;
    lines.push(`  ${parameter} (${wireType}): ${summary}`);
  }
  lines.push(`Returns ${method.returns.summary}.`);
  if (method.errors.length > 0) lines.push(`Fails with ${method.errors.join(', ')}.`);
  if (method.onHost !== undefined && name === method.name) {
    lines.push(`${method.onHost} is the form that runs on the server that receives it.`);
  }
  return lines.join('\n');
}
