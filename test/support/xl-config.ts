/** A value of a domain file: numbers and texts are the same to xl. */
export type XlValue = string | readonly string[];

const LETTERS: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  '\\': '\\',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/**
 * Reads a domain file as xl does, and with less patience: one `key = value` a line, each key once, and no escape but those that
 * libxlu gives a meaning. Its \x and its octal digits it refuses or drops (Xen 4.17), so that they are refused here.
 */
export function parseXlConfig(text: string): ReadonlyMap<string, XlValue> {
  const keys = new Map<string, XlValue>();
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  for (const line of text.slice(0, -1).split('\n')) {
    const [, key, rest] = /^([a-z][_0-9a-z]*) = (.+)$/s.exec(line) ?? [];
    if (key === undefined || rest === undefined) throw new Error(`no key and value: ${line}`);
    if (keys.has(key)) throw new Error(`${key} is there twice`);
    keys.set(key, valueOf(rest));
  }
  return keys;
}

function valueOf(text: string): XlValue {
  if (!text.startsWith('[')) return withoutRest(atomAt(text, 0), text);
  if (text === '[]') return [];
  const items: string[] = [];
  for (let at = 1; ; ) {
    const atom = atomAt(text, at);
    items.push(atom.value);
    at = atom.end;
    if (text.slice(at) === ']') return items;
    if (!text.startsWith(', ', at)) throw new Error(`no end of a list: ${text.slice(at)}`);
    at += 2;
  }
}

interface Atom {
  readonly value: string;
  readonly end: number;
}

function withoutRest({ end, value }: Atom, text: string): string {
  if (end !== text.length) throw new Error(`something follows the value: ${text.slice(end)}`);
  return value;
}

function atomAt(text: string, start: number): Atom {
  if (text[start] !== '"') {
    const [number] = /^(?:0|[1-9][0-9]*)/.exec(text.slice(start)) ?? [];
    if (number === undefined) throw new Error(`neither a text nor a number: ${text.slice(start)}`);
    return { value: number, end: start + number.length };
  }
  let value = '';
  for (let at = start + 1; at < text.length; at++) {
    const letter = text[at]!;
    if (letter === '"') return { value, end: at + 1 };
    if (letter !== '\\') value += letter;
    else {
      at += 1;
      const meant = LETTERS[text[at] ?? ''];
      if (meant === undefined) throw new Error(`an escape without a meaning: \\${text[at]}`);
      value += meant;
    }
  }
  throw new Error(`no end of a text: ${text.slice(start)}`);
}
