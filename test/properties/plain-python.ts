import { isUtf8 } from 'node:buffer';

type Random = () => number;

/** Names of the files' variables by the type that they keep. */
interface Names {
  readonly int: string[];
  readonly text: string[];
  readonly float: string[];
  readonly list: string[];
  readonly other: string[];
}

const CHARACTERS = ['a', 'b', 'Z', '6', '4', ' ', ',', '/', ':', '=', '#', '%', "'", '"', '\\', '\n', '\t', 'é', 'ÿ'];
const WIDE_CHARACTERS = [...CHARACTERS, '日', '\u2028', '\u{1f600}', '\u{10ffff}'];
const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\t': '\\t',
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
};

/**
 * Writes files in the part of Python 3 that the reader understands: every statement, operator and form of a text, with
 * comments, blank lines, continued lines and nested blocks.
 */
export class PlainPython {
  readonly #random: Random;
  #names: Names = { int: [], text: [], float: [], list: [], other: [] };
  #newNames = 0;
  #characters = CHARACTERS;

  constructor(random: Random) {
    this.#random = random;
  }

  file(): Buffer {
    this.#names = { int: [], text: [], float: [], list: [], other: [] };
    this.#newNames = 0;
    const isLatin1 = this.#chance(0.2);
    this.#characters = isLatin1 ? CHARACTERS : WIDE_CHARACTERS;
    const cookie = isLatin1 ? '# -*- coding: latin-1 -*-\n' : '';
    const body = this.#times(4, 16, () => this.#statement('')).join('');
    const lineEnd = this.#one(['\n', '\n', '\r\n', '\r']);
    const text = `${cookie}import os, re\n${body}`.replaceAll('\n', lineEnd);
    const whole = this.#chance(0.2) ? text.trimEnd() : text;
    if (!isLatin1) return Buffer.from(this.#chance(0.2) ? `\ufeff${whole}` : whole, 'utf8');
    const bytes = Buffer.from(whole, 'latin1');
    // Latin-1 that happens to be UTF-8 is read as UTF-8.
    return isUtf8(bytes) ? Buffer.from(whole.replace('latin-1', 'utf-8'), 'utf8') : bytes;
  }

  /** A pattern of `re`. */
  pattern(depth = 2): string {
    const items = this.#times(0, 4, () => {
      if (this.#chance(0.1)) return this.#one(['^', '$']);
      const item =
        depth > 0 && this.#chance(0.25)
          ? `(${this.#one(['', '?:'])}${this.pattern(depth - 1)})`
          : this.#one([
              'a',
              'b',
              '6',
              '4',
              '_',
              '-',
              '.',
              '\\.',
              '\\d',
              '\\w',
              '\\s',
              '\\W',
              '[a-f6]',
              '[^ab]',
              '[]x-]',
              ']',
              '\\n',
            ]);
      return item + this.#one(['', '', '', '', '*', '+', '?', '*?', '+?', '??']);
    });
    return this.#chance(0.2) ? `${items.join('')}|${this.pattern(depth)}` : items.join('');
  }

  /** A text for patterns to be tried on. */
  subject(): string {
    return this.#times(0, 8, () => this.#one(['a', 'b', 'x', '6', '4', '_', '.', '-', ' ', '\n', 'é'])).join('');
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #integer(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #one<Item>(items: readonly Item[]): Item {
    return items[this.#integer(0, items.length - 1)]!;
  }

  #times<Item>(least: number, most: number, make: () => Item): Item[] {
    return Array.from({ length: this.#integer(least, most) }, make);
  }

  #statement(indent: string): string {
    const lines = this.#chance(0.15) ? this.#one(['\n', `${indent}  # comment 'x\n`, '\t\n', '\f\n']) : '';
    if (this.#chance(0.25) && indent.length < 12) return lines + this.#if(indent);
    const isInBlock = indent !== '';
    const statements = this.#times(1, this.#chance(0.2) ? 3 : 1, () => this.#simple(isInBlock));
    const end = this.#one(['', '', ' ', ';', '  # done; "', ' \\\n']);
    return `${lines}${indent}${statements.join(this.#one([';', ' ; ', '; ']))}${end}\n`;
  }

  #if(indent: string): string {
    const inner = indent + this.#one(['  ', '    ', '\t']);
    const block = (): string =>
      this.#chance(0.3)
        ? ` ${this.#simple(true)}\n`
        : `${this.#one(['', ' ', '  # then'])}\n${this.#times(1, 3, () => this.#statement(inner)).join('')}`;
    const branches = this.#times(0, 2, () => `${indent}elif ${this.#condition(2)}:${block()}`);
    const otherwise = this.#chance(0.5) ? `${indent}else:${block()}` : '';
    return `${indent}if ${this.#condition(2)}:${block()}${branches.join('')}${otherwise}`;
  }

  /** In a block, whose lines may not be run, only names are set that have a value already. */
  #simple(isInBlock: boolean): string {
    if (this.#chance(0.05)) return 'pass';
    if (this.#chance(0.05)) return this.#text(0);
    const list = this.#names.list[0] === undefined ? undefined : this.#one(this.#names.list);
    if (list !== undefined && this.#chance(0.2)) {
      return this.#one([
        () => `${list}.append(${this.#any(1)})`,
        () => `${list}.extend(${this.#one([this.#list(1), this.#tuple(1)])})`,
        () => `${list} += ${this.#one([this.#list(1), this.#tuple(1)])}`,
      ])();
    }
    const kind = this.#one(['int', 'text', 'float', 'list', 'other'] as const);
    const value = this.#valueOf(kind, 3);
    const known = this.#names[kind][0] === undefined ? undefined : this.#one(this.#names[kind]);
    if (isInBlock || (known !== undefined && this.#chance(0.3))) {
      if (known === undefined) return 'pass';
      return this.#chance(0.2) && (kind === 'int' || kind === 'text')
        ? `${known} += ${this.#valueOf(kind, 1)}`
        : `${known} = ${value}`;
    }
    const names = this.#times(
      1,
      this.#chance(0.15) ? 2 : 1,
      () => `${this.#one(['v', '_', 'Name'])}${this.#newNames++}`,
    );
    this.#names[kind].push(...names);
    return `${names.join(' = ')}${this.#one([' = ', '=', ' =\\\n  '])}${value}`;
  }

  #valueOf(kind: keyof Names, depth: number): string {
    switch (kind) {
      case 'int':
        return this.#int(depth);
      case 'text':
        return this.#text(depth);
      case 'float':
        return this.#float(depth);
      case 'list':
        return this.#list(depth);
      case 'other':
        return this.#one([
          () => this.#tuple(depth),
          () => this.#dictionary(depth),
          () => this.#boolean(depth),
          () => 'None',
        ])();
    }
  }

  #any(depth: number): string {
    return this.#valueOf(this.#one(['int', 'text', 'text', 'float', 'list', 'other'] as const), depth);
  }

  #known(kind: keyof Names, otherwise: () => string): string {
    return this.#names[kind].length > 0 ? this.#one(this.#names[kind]) : otherwise();
  }

  #int(depth: number): string {
    const literal = (): string =>
      this.#one([
        () => String(this.#integer(0, 2_000)),
        () => `0x${this.#integer(0, 0xffff).toString(16)}`,
        () => `0o${this.#integer(0, 511).toString(8)}`,
        () => `0b${this.#integer(0, 31).toString(2)}`,
        () => `${this.#integer(1, 9)}${'0'.repeat(this.#integer(12, 30))}`,
      ])();
    if (depth <= 0) return literal();
    const inner = (): string => this.#int(depth - 1);
    return this.#one([
      literal,
      literal,
      () => this.#known('int', literal),
      () => `${inner()} ${this.#one(['+', '-'])} ${inner()}`,
      () => `(${inner()}) * ${literal()}`,
      () => `(${inner()}) ${this.#one(['//', '%'])} ${this.#one(['', '-'])}${this.#integer(1, 99)}`,
      () => `${this.#one(['-', '+', '- -'])}(${inner()})`,
      () =>
        `len(${this.#one([() => this.#text(depth - 1), () => this.#list(depth - 1), () => this.#tuple(depth - 1)])()})`,
      () => `int(${this.#one(["' 12 '", "'-07'", '"+5"', '2.9', '-2.9', 'True'])})`,
      () => `[${inner()}, ${inner()}][${this.#one(['0', '1', '-1', '-2'])}]`,
      () => `{'a': ${inner()}, 2: ${inner()}}[${this.#one(["'a'", '2'])}]`,
      () => `(${inner()} ${this.#one(['and', 'or'])} ${inner()})`,
      () => `(True + ${inner()})`,
    ])();
  }

  #float(depth: number): string {
    const literal = (): string => this.#one(['0.0', '1.5', '.25', '3.', '1e3', '2.5e-3', '1E+2', '12.0625']);
    if (depth <= 0) return literal();
    return this.#one([
      literal,
      () => this.#known('float', literal),
      () =>
        `${this.#float(depth - 1)} ${this.#one(['+', '-', '*'])} ${this.#one([literal(), String(this.#integer(0, 9))])}`,
      () => `-(${this.#float(depth - 1)})`,
    ])();
  }

  #text(depth: number): string {
    const literal = (): string => this.#times(1, this.#chance(0.2) ? 3 : 1, () => this.#literal()).join(' ');
    if (depth <= 0) return literal();
    const inner = (): string => this.#text(depth - 1);
    return this.#one([
      literal,
      literal,
      () => this.#known('text', literal),
      () => `${inner()} + ${inner()}`,
      () => `(${inner()}) * ${this.#integer(-1, 3)}`,
      () => `${this.#integer(0, 3)} * (${inner()})`,
      () => `str(${this.#one([this.#int(depth - 1), this.#boolean(depth - 1), 'None', '1.50', '-0.0', '100000.25'])})`,
      () => `'%s-%05d_%-4x|%%' % (${inner()}, ${this.#int(depth - 1)}, ${this.#integer(0, 999)})`,
      () => `'%6s%-3s.%X' % (${inner()}, ${this.#integer(0, 9)}, -${this.#integer(0, 999)})`,
      () => `'%s' % (${inner()},)`,
      () => `'<%i>' % ${this.#integer(0, 9)}`,
      () => `os.uname()[${this.#one(['0', '2', '4', '-1'])}]`,
      () => `('x' + ${inner()})[${this.#one(['0', '-1'])}]`,
      () => `(${inner()} ${this.#one(['and', 'or'])} ${inner()})`,
    ])();
  }

  /** One text in quotes of any kind, with its characters as they are or as escapes. */
  #literal(): string {
    const characters = this.#times(0, 8, () => this.#one(this.#characters));
    const quote = this.#one(["'", '"', "'''", '"""']);
    const isLong = quote.length === 3;
    if (this.#chance(0.2)) {
      const raw = characters.filter(character => !`'"${isLong ? '' : '\n'}`.includes(character)).join('');
      return `${this.#one(['r', 'R'])}${quote}${raw.endsWith('\\') ? `${raw}.` : raw}${quote}`;
    }
    const isUnicode = this.#chance(0.3);
    const written = characters.map(character => {
      const code = character.codePointAt(0)!;
      if (isUnicode && this.#chance(0.2)) return `\\U${code.toString(16).padStart(8, '0')}`;
      if (isUnicode && code <= 0xffff && this.#chance(0.2)) return `\\u${code.toString(16).padStart(4, '0')}`;
      if (code <= 0xff && this.#chance(0.1)) return `\\x${code.toString(16).padStart(2, '0')}`;
      if (code <= 0xff && this.#chance(0.1)) return `\\${code.toString(8).padStart(3, '0')}`;
      if (character === '\n' && isLong && this.#chance(0.7)) return '\n';
      return `'"\\\n`.includes(character) || this.#chance(0.1) ? (SIMPLE_ESCAPES[character] ?? character) : character;
    });
    const extras = this.#chance(0.2) ? [this.#one(['\\\n', '\\d', '\\/', '\\a\\v\\0'])] : [];
    return `${isUnicode ? this.#one(['u', 'U']) : ''}${quote}${[...written, ...extras].join('')}${quote}`;
  }

  #list(depth: number): string {
    if (depth <= 0) return this.#one(['[]', "['a']", '[1, 2,]']);
    return this.#one([
      () => this.#display('[', ']', depth),
      () => this.#display('[', ']', depth),
      () => this.#known('list', () => '[]'),
      () => `${this.#list(depth - 1)} + ${this.#list(depth - 1)}`,
      () => `${this.#integer(0, 3)} * ${this.#list(0)}`,
    ])();
  }

  #tuple(depth: number): string {
    return this.#one([
      () => '()',
      () => `(${this.#any(depth - 1)},)`,
      () => this.#display('(', ')', depth, ','),
      () => `(${this.#display('(', ')', depth, ',')} + ('t',))`,
    ])();
  }

  #display(open: string, close: string, depth: number, comma = ''): string {
    const items = this.#times(1, 4, () => this.#any(depth - 1));
    const between = this.#one([', ', ',', ',\n   ', ' ,  # item\n']);
    const end = items.length === 1 ? comma : this.#one(['', ',', ',\n', '\n\n  # end )\n']);
    return `${open}${this.#one(['', '\n', ' '])}${items.join(between)}${end}${close}`;
  }

  #dictionary(depth: number): string {
    const members = this.#times(
      0,
      3,
      () => `${this.#one([this.#literal(), String(this.#integer(0, 5))])}: ${this.#any(depth - 1)}`,
    );
    return `{${members.join(this.#one([', ', ',\n']))}}`;
  }

  #boolean(depth: number): string {
    return depth <= 0 ? this.#one(['True', 'False']) : `(not (${this.#condition(depth - 1)}))`;
  }

  #condition(depth: number): string {
    const simple = (): string =>
      this.#one([
        () =>
          `${this.#int(1)} ${this.#one(['==', '!=', '<', '<=', '>', '>='])} ${this.#one([this.#int(1), this.#float(1)])}`,
        () => `${this.#text(1)} ${this.#one(['==', '!=', '<', '<=', '>', '>=', 'in', 'not in'])} ${this.#text(1)}`,
        () => `${this.#any(1)} ${this.#one(['in', 'not in'])} ${this.#list(1)}`,
        () => `${this.#any(1)} ${this.#one(['==', '!='])} ${this.#any(1)}`,
        () => `${this.#one([this.#known('int', () => 'None'), 'None'])} ${this.#one(['is', 'is not'])} None`,
        () => `0 <= ${this.#int(1)} < ${this.#int(1)} != 7`,
        () => `re.${this.#one(['search', 'match'])}(r'${this.pattern(1)}', ${this.#text(1)})`,
        () => `re.search('${this.#one(['64', 'x86', '^i.86$'])}', os.uname()[4]) is ${this.#one(['', 'not '])}None`,
        () => this.#any(1),
      ])();
    if (depth <= 0) return simple();
    const inner = (): string => this.#condition(depth - 1);
    return this.#one([
      simple,
      simple,
      () => `not ${inner()}`,
      () => `${inner()} ${this.#one(['and', 'or'])} ${inner()}`,
      () => `(${inner()})`,
    ])();
  }
}
