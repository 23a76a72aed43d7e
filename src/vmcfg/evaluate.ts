import { calculate, signed } from './calculation.ts';
import { compare, dictionaryKey, isTrue } from './comparison.ts';
import { builtIns, extendList, itemAt } from './functions.ts';
import type { GuestFile, HostFacts } from './guest-file.ts';
import { EvaluationBounds, type ReaderLimits } from './limits.ts';
import { matchesPattern } from './pattern.ts';
import type { GuestFileError, SourceText } from './source-text.ts';
import type {
  Attribute,
  Augmentation,
  Call,
  Comparison,
  ComparisonOperator,
  DictionaryDisplay,
  Expression,
  ExpressionStatement,
  If,
  Logic,
  Name,
  Statement,
} from './syntax-tree.ts';
import {
  type ConfigDictionaryKey,
  ConfigTuple,
  type ConfigValue,
  isDictionary,
  isList,
  itemsOf,
  kindOf,
} from './values.ts';

interface Variable {
  readonly value: ConfigValue;
  /** Offset of the name in the last assignment. */
  readonly start: number;
}

/** What `re.search` found: it can be tested and is no value. */
const match = Symbol('match');
type Outcome = ConfigValue | typeof match;

const MODULES: readonly string[] = ['os', 're'];
const LIST_METHODS: readonly string[] = ['append', 'extend'];

/**
 * Carries out what the statements say, in their order and within limits.
 * @throws GuestFileError
 */
export function evaluate(
  source: SourceText,
  statements: readonly Statement[],
  facts: HostFacts,
  limits: ReaderLimits,
): GuestFile {
  return new Evaluator(source, facts, limits).file(statements);
}

class Evaluator {
  readonly #source: SourceText;
  readonly #facts: HostFacts;
  readonly #bounds: EvaluationBounds;
  readonly #variables = new Map<string, Variable>();
  readonly #modules = new Set<string>();

  constructor(source: SourceText, facts: HostFacts, limits: ReaderLimits) {
    this.#source = source;
    this.#facts = facts;
    this.#bounds = new EvaluationBounds(source, limits);
  }

  file(statements: readonly Statement[]): GuestFile {
    this.#block(statements);
    return new Map(
      [...this.#variables].map(([name, { start, value }]) => {
        this.#checkSize(value, start, 0);
        return [name, { name, value, ...this.#source.placeOf(start) }];
      }),
    );
  }

  #block(statements: readonly Statement[]): void {
    for (const statement of statements) {
      this.#bounds.spend(1, statement.start);
      switch (statement.kind) {
        case 'assignment': {
          const value = this.#value(statement.value);
          for (const target of statement.targets) this.#set(target, value);
          break;
        }
        case 'augmentation':
          this.#augment(statement);
          break;
        case 'expression':
          this.#expressionStatement(statement);
          break;
        case 'import':
          for (const module of statement.modules) this.#import(module);
          break;
        case 'if':
          this.#if(statement);
          break;
        case 'pass':
          break;
      }
    }
  }

  #set({ name, start }: Name, value: ConfigValue): void {
    this.#modules.delete(name);
    this.#variables.set(name, { value, start });
  }

  /** `+=` makes a list longer under all its names; of everything else it makes a new value. */
  #augment({ target, value: added }: Augmentation): void {
    const value = this.#named(target);
    const more = this.#value(added);
    if (isList(value)) {
      extendList(this.#bounds, value, more, added.start);
      this.#set(target, value);
    } else this.#set(target, calculate(this.#bounds, '+', value, more, added.start));
  }

  #expressionStatement({ expression, start }: ExpressionStatement): void {
    // A text on a line of its own is a comment in Python's way.
    if (expression.kind === 'constant' && typeof expression.value === 'string') return;
    if (expression.kind === 'call') {
      this.#call(expression);
      if (expression.callee.kind === 'attribute' && LIST_METHODS.includes(expression.callee.name.name)) return;
    }
    throw this.#source.refusal(
      start,
      `${this.#source.shown(expression)} stands alone and sets nothing; a line such as name = 'value' is needed`,
    );
  }

  #import({ name, start }: Name): void {
    if (!MODULES.includes(name)) throw this.#source.refusal(start, `"${name}" cannot be imported; os or re is needed`);
    this.#variables.delete(name);
    this.#modules.add(name);
  }

  #if({ branches, otherwise }: If): void {
    const taken = branches.find(branch => this.#isTrue(branch.test));
    this.#block(taken ? taken.body : otherwise);
  }

  /** An expression that must give a value. */
  #value(expression: Expression): ConfigValue {
    const outcome = this.#outcome(expression);
    if (outcome !== match) return outcome;
    throw this.#source.refusal(
      expression.start,
      'what re finds is no value; "if" before it, or a comparison with None, is needed',
    );
  }

  #isTrue(expression: Expression): boolean {
    const outcome = this.#outcome(expression);
    return outcome === match || isTrue(outcome);
  }

  #outcome(expression: Expression): Outcome {
    this.#bounds.spend(1, expression.start);
    switch (expression.kind) {
      case 'constant':
        return expression.value;
      case 'name':
        return this.#named(expression);
      case 'list':
        return this.#items(expression.items);
      case 'tuple':
        return new ConfigTuple(this.#items(expression.items));
      case 'dictionary':
        return this.#dictionary(expression);
      case 'sign': {
        const operand = this.#value(expression.operand);
        const value = signed(expression.operator, operand);
        if (value !== undefined) return value;
        throw this.#source.refusal(
          expression.start,
          `${expression.operator} has no meaning before ${kindOf(operand)}; a number is needed`,
        );
      }
      case 'not':
        return !this.#isTrue(expression.operand);
      case 'calculation':
        return expression.rest.reduce(
          (left, { at, operand, operator }) => calculate(this.#bounds, operator, left, this.#value(operand), at),
          this.#value(expression.first),
        );
      case 'comparison':
        return this.#comparison(expression);
      case 'logic':
        return this.#logic(expression);
      case 'index':
        return itemAt(this.#bounds, this.#value(expression.object), this.#value(expression.index), expression.start);
      case 'attribute':
        throw this.#notCallable(expression);
      case 'call':
        return this.#call(expression);
    }
  }

  #items(expressions: readonly Expression[]): ConfigValue[] {
    return expressions.map(expression => this.#value(expression));
  }

  #named({ name, start }: Name): ConfigValue {
    const variable = this.#variables.get(name);
    if (variable) return variable.value;
    if (this.#modules.has(name))
      throw this.#source.refusal(start, `"${name}" is a module and no value; a call such as os.uname() is needed`);
    if (MODULES.includes(name))
      throw this.#source.refusal(start, `"${name}" is not imported; "import ${name}" is needed`);
    throw this.#source.refusal(
      start,
      `"${name}" has no value here; quotes around a text, or a line above that sets the name, are needed`,
    );
  }

  #dictionary({ members }: DictionaryDisplay): ConfigValue {
    const dictionary = new Map<ConfigDictionaryKey, ConfigValue>();
    for (const member of members) {
      const written = this.#value(member.key);
      const key = dictionaryKey(written);
      if (key === undefined) {
        throw this.#source.refusal(
          member.key.start,
          `${kindOf(written)} is the key; a text or a whole number is needed`,
        );
      }
      dictionary.set(key, this.#value(member.value));
    }
    return dictionary;
  }

  #comparison({ first, rest }: Comparison): boolean {
    let left = this.#outcome(first);
    for (const { at, operand, operator } of rest) {
      const right = this.#outcome(operand);
      if (!this.#compare(operator, left, right, at)) return false;
      left = right;
    }
    return true;
  }

  /** Of what `re` found it can only be asked whether it is None. */
  #compare(operator: ComparisonOperator, left: Outcome, right: Outcome, at: number): boolean {
    if (left !== match && right !== match) return compare(this.#bounds, operator, left, right, at);
    if (right === null && (operator === 'is' || operator === '==')) return false;
    if (right === null && (operator === 'is not' || operator === '!=')) return true;
    throw this.#source.refusal(at, 'what re finds is no value; a comparison with None is needed');
  }

  /** The operand that decides, as in Python: `'' or 'a'` is `'a'`. */
  #logic({ operands, operator }: Logic): Outcome {
    let outcome: Outcome = null;
    for (const operand of operands) {
      outcome = this.#outcome(operand);
      if ((outcome === match || isTrue(outcome)) === (operator === 'or')) break;
    }
    return outcome;
  }

  #call(call: Call): Outcome {
    const { callee } = call;
    if (callee.kind === 'attribute') {
      const { object } = callee;
      if (object.kind !== 'name' || !MODULES.includes(object.name) || this.#variables.has(object.name))
        return this.#listMethod(call, callee);
      if (!this.#modules.has(object.name)) return this.#named(object);
      return this.#moduleFunction(call, callee, object.name);
    }
    const builtIn = callee.kind === 'name' && !this.#variables.has(callee.name) ? builtIns.get(callee.name) : undefined;
    if (!builtIn) throw this.#notCallable(callee);
    const [argument] = this.#arguments(call, 1);
    return builtIn(this.#bounds, argument!, call.start);
  }

  #listMethod(call: Call, { name, object }: Attribute): ConfigValue {
    if (!LIST_METHODS.includes(name.name)) throw this.#notCallable(call.callee);
    const list = this.#value(object);
    if (!isList(list)) {
      throw this.#source.refusal(
        call.start,
        `${name.name} is called on ${kindOf(list)}; a list before ".${name.name}" is needed`,
      );
    }
    const [argument] = this.#arguments(call, 1);
    extendList(this.#bounds, list, name.name === 'append' ? [argument!] : argument!, call.start);
    return null;
  }

  #moduleFunction(call: Call, { name }: Attribute, module: string): Outcome {
    if (module === 'os' && name.name === 'uname') {
      this.#arguments(call, 0);
      const { machine, nodename, release, sysname, version } = this.#facts.uname;
      return new ConfigTuple([sysname, nodename, release, version, machine]);
    }
    if (module !== 're' || (name.name !== 'search' && name.name !== 'match')) throw this.#notCallable(call.callee);
    const [pattern, text] = this.#arguments(call, 2);
    if (typeof pattern !== 'string' || typeof text !== 'string')
      throw this.#source.refusal(call.start, `re.${name.name} has another argument; a pattern and a text are needed`);
    return matchesPattern(this.#bounds, pattern, text, name.name === 'match', call.start) ? match : null;
  }

  #arguments({ args, callee, start }: Call, count: number): readonly ConfigValue[] {
    if (args.length === count) return this.#items(args);
    const needed = count === 0 ? 'none is' : count === 1 ? 'one is' : `${count} are`;
    throw this.#source.refusal(
      start,
      `${this.#source.shown(callee)} is called with ${args.length} arguments; ${needed} needed`,
    );
  }

  #notCallable(expression: Expression): GuestFileError {
    return this.#source.refusal(
      expression.start,
      `${this.#source.shown(expression)} is not understood in a guest file; one of os.uname, re.search, re.match, len, str, int, append and extend is needed`,
    );
  }

  /** Whoever walks through a value meets an item as often as it stands somewhere, also when it is the same list. */
  #checkSize(value: ConfigValue, offset: number, depth: number): void {
    this.#bounds.checkDepth(depth, offset);
    this.#bounds.spend(1, offset);
    if (typeof value === 'string') this.#bounds.spendOnText(value.length, offset);
    const items = isDictionary(value) ? [...value.values()] : itemsOf(value);
    for (const item of items ?? []) this.#checkSize(item, offset, depth + 1);
  }
}
