import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { RegisteredMethod } from './method.ts';

/** The methods by every name they answer to. */
export class Registry {
  readonly #byName = new Map<string, RegisteredMethod>();
  readonly methods: readonly RegisteredMethod[];

  constructor(methods: readonly RegisteredMethod[]) {
    this.methods = [...methods].sort((left, right) => left.name.localeCompare(right.name, 'en'));
    for (const method of methods) {
      for (const name of namesOf(method)) {
        if (this.#byName.has(name)) throw new Error(`two methods are named ${name}`);
        this.#byName.set(name, method);
      }
    }
  }

  /** All names in order, those of the host forms among them. */
  get names(): readonly string[] {
    return [...this.#byName.keys()].sort();
  }

  find(name: string): RegisteredMethod | undefined {
    return this.#byName.get(name);
  }

  /** @throws AgentError NO_SUCH_METHOD with the original's text */
  get(name: string): RegisteredMethod {
    const method = this.#byName.get(name);
    if (!method) throw new AgentError('NO_SUCH_METHOD', `method ${quote(name)} is not supported`);
    return method;
  }
}

export function namesOf(method: RegisteredMethod): readonly string[] {
  return method.onHost === undefined ? [method.name] : [method.name, method.onHost];
}
