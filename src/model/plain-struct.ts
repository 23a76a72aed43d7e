import { AgentError } from '../errors.ts';
import { quote } from './guest-path.ts';

/** What a text must look like, and how that is said. */
export interface TextRule {
  readonly pattern: RegExp;
  readonly needed: string;
}

type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** The same without the members that are undefined, as they travel. */
export function present<T extends object>(members: T): Present<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Present<T>;
}

/**
 * A struct from outside, read member by member. A member that is nil counts as not there; one that nobody asked for is
 * refused by its name, for it may be a slip. Every refusal is an AgentError BAD_VALUE that names the member.
 */
export class PlainStruct {
  readonly #what: string;
  readonly #place: string;
  readonly #members: ReadonlyMap<string, unknown>;

  /**
   * @param what the subject of the refusals, such as `new guest`
   * @param known names that it may have; undefined takes all
   * @param place where it stands inside `what`, such as `disks[0]`; empty for the whole
   */
  constructor(what: string, value: unknown, known: readonly string[] | undefined, place = '') {
    this.#what = what;
    this.#place = place;
    if (!isStruct(value)) throw this.#refusal(`${place || 'it'} is ${shown(value)}`, 'a struct is needed');
    const stranger = known && Object.keys(value).find(name => !known.includes(name));
    if (stranger !== undefined) {
      throw this.#refusal(
        `${place || 'it'} has a member ${quote(stranger)}`,
        `it may have ${known?.join(', ') ?? 'none'}`,
      );
    }
    this.#members = new Map(Object.entries(value).filter(([, member]) => member !== null && member !== undefined));
  }

  get names(): readonly string[] {
    return [...this.#members.keys()];
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  value(name: string): unknown {
    return this.#members.get(name);
  }

  text(name: string, rule: TextRule): string | undefined {
    const value = this.value(name);
    if (value === undefined || (typeof value === 'string' && rule.pattern.test(value))) return value;
    return this.fail(name, `is ${shown(value)}`, `${rule.needed} is needed`);
  }

  choice<const T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    return (
      choices.find(choice => choice === value) ??
      this.fail(name, `is ${shown(value)}`, `one of ${choices.join(', ')} is needed`)
    );
  }

  wholeNumber(name: string, least: number, most: number): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
    return this.fail(name, `is ${shown(value)}`, `a whole number from ${least} to ${most} is needed`);
  }

  flag(name: string): boolean | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === 'boolean') return value;
    return this.fail(name, `is ${shown(value)}`, 'a boolean is needed');
  }

  struct(name: string, known: readonly string[] | undefined): PlainStruct | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : new PlainStruct(this.#what, value, known, this.#placeOf(name));
  }

  /** An array of structs. */
  structs(name: string, most: number, known: readonly string[]): readonly PlainStruct[] | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.fail(name, `is ${shown(value)}`, 'an array of structs is needed');
    if (value.length > most) this.fail(name, `has ${value.length} items`, `${most} at most are needed`);
    return value.map((item, index) => new PlainStruct(this.#what, item, known, `${this.#placeOf(name)}[${index}]`));
  }

  /** What one of the readers above gave, where it must be there. */
  required<T>(name: string, value: T | undefined): T {
    return value ?? this.fail(name, 'is not there', 'it must be given');
  }

  /**
   * @param so what is so, behind the name of the member
   * @throws AgentError BAD_VALUE
   */
  fail(name: string, so: string, needed: string): never {
    throw this.#refusal(`${this.#placeOf(name)} ${so}`, needed);
  }

  #placeOf(name: string): string {
    const printed = /^\w{1,64}$/.test(name) ? name : quote(name);
    return this.#place === '' ? printed : `${this.#place}.${printed}`;
  }

  #refusal(so: string, needed: string): AgentError {
    return new AgentError('BAD_VALUE', `${this.#what}: ${so}; ${needed}`);
  }
}

/**
 * Refuses items of an array of which two have the same value of a member that must differ.
 * @param structs as they came, for the name of the place
 * @param items the same, as they were read
 * @throws AgentError BAD_VALUE
 */
export function refuseTwice<T>(
  structs: readonly PlainStruct[] | undefined,
  items: readonly T[] | undefined,
  names: readonly (keyof T & string)[],
): void {
  for (const name of names) {
    const values = (items ?? []).map(item => item[name]);
    const twice = values.findIndex((value, index) => value !== undefined && values.indexOf(value) !== index);
    structs?.[twice]?.fail(name, 'stands there twice', 'each needs its own');
  }
}

/** Structs of XML-RPC have no prototype, those of JSON have the usual one; dates and bytes are none. */
function isStruct(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return 'an array';
  if (value === null || value === undefined) return 'nothing';
  return isStruct(value) ? 'a struct' : 'a date or bytes';
}
