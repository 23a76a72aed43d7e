import { printValue } from '../../src/vmcfg/printer.ts';
import type { Chance } from './chance.ts';

export type Layout = 'line' | 'lines' | 'mixed';

/** A guest file with one list or tuple, `key`, which nothing else uses, in any of the layouts that people give lists. */
export class LaidOutFile {
  readonly key = 'disk';
  readonly before: string;
  /** The lines of the list. */
  readonly statement: string;
  readonly after: string;
  readonly layout: Layout;
  readonly items: readonly string[];
  readonly isTuple: boolean;
  readonly quote: "'" | '"';
  /** Before each item that has a line of its own. */
  readonly indentation: string;
  readonly lineEnd: string;
  #comments = 0;

  constructor(chance: Chance) {
    const block = chance.is(0.3) ? chance.one(['  ', '\t']) : '';
    this.lineEnd = chance.one(['\n', '\n', '\r\n', '\r']);
    this.quote = chance.one(["'", '"']);
    this.isTuple = chance.is(0.3);
    this.layout = chance.one<Layout>(['line', 'lines', 'mixed']);
    this.indentation = chance.one(['', '    ', '\t', '        ']);
    this.items = chance.times(this.layout === 'line' ? 0 : 1, 5, index => this.#item(chance, index));
    const head = `${chance.one(['', '\ufeff'])}# head${this.lineEnd}memory = 512${this.lineEnd}`;
    this.before = block === '' ? head : `${head}if memory > 64:${this.lineEnd}${block}vcpus = 1${this.lineEnd}${block}`;
    const end = chance.is(0.3) ? `  # behind${this.lineEnd}` : this.lineEnd;
    this.statement = `${this.key} = ${this.#display(chance, block)}${end}`;
    this.after = chance.one(['', `name = 'x'`, `# tail${this.lineEnd}name = "x" # [${this.lineEnd}`]);
  }

  get text(): string {
    return this.before + this.statement + this.after;
  }

  #item(chance: Chance, index: number): string {
    const literal = printValue(`file:/${index}${chance.text()},hd${index},w`, { quote: this.quote });
    return chance.is(0.15) ? `(${literal})` : literal;
  }

  #display(chance: Chance, block: string): string {
    const [open, close] = this.isTuple ? ['(', ')'] : ['[', ']'];
    const last = this.items.length - 1;
    const needsComma = this.isTuple && last === 0;
    const lastComma = last >= 0 && (needsComma || chance.is(0.4)) ? ',' : '';
    if (this.layout === 'line') {
      const blank = chance.one(['', ' ']);
      return `${open}${blank}${this.items.join(chance.one([', ', ',']))}${lastComma}${blank}${close}`;
    }
    const isEachOnItsLine = this.layout === 'lines';
    const parts = this.items.map((item, index) => {
      const startsLine = isEachOnItsLine || (index > 0 && chance.is(0.5));
      const start = startsLine ? `${this.#lineEnd(chance)}${this.#commentLines(chance)}${this.indentation}` : ' ';
      return `${start}${item}${index === last ? lastComma : ','}`;
    });
    const end =
      isEachOnItsLine || chance.is(0.5) ? `${this.#lineEnd(chance)}${this.#commentLines(chance)}${block}` : '';
    return `${open}${parts.join('')}${end}${close}`;
  }

  #lineEnd(chance: Chance): string {
    return (chance.is(0.3) ? ` ${this.#comment()}` : '') + this.lineEnd;
  }

  #commentLines(chance: Chance): string {
    return chance.times(0, chance.is(0.2) ? 2 : 0, () => `  ${this.#comment()}${this.lineEnd}`).join('');
  }

  #comment(): string {
    this.#comments += 1;
    return `# comment ${this.#comments} [',`;
  }
}
