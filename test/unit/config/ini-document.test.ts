import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IniDocument } from '../../../src/config/ini-document.ts';
import { AgentError } from '../../../src/errors.ts';

const read = (text: string): IniDocument => new IniDocument(text, 'agent.ini');

const values = (text: string): Record<string, string> =>
  Object.fromEntries(read(text).entries.map(({ section, key, value }) => [section ? `${section}.${key}` : key, value]));

function failureOf(text: string): AgentError {
  try {
    read(text);
  } catch (error) {
    if (error instanceof AgentError) return error;
    throw error;
  }
  throw new Error(`it was read: ${text}`);
}

describe('reading a settings file', () => {
  it('knows flat keys, sections, comments of both signs, blanks and empty values', () => {
    const text = '# the original\n; kind of file\n\nssl = disable\n  allow=*  \ndeny=\n[log]\n\tlevel\t=\twarn\n';
    expect(values(text)).toEqual({ ssl: 'disable', allow: '*', deny: '', 'log.level': 'warn' });
  });

  it('says in which line each key stands', () => {
    expect(read('; one\nssl=enable\n\n[log]\nlevel=info').entries.map(({ key, line }) => [key, line])).toEqual([
      ['ssl', 2],
      ['level', 5],
    ]);
  });

  it('reads files with Windows line ends and with a byte order mark', () => {
    expect(values('\uFEFFssl=disable\r\nallow=*\r\n[log]\r\nlevel=info\r\n')).toEqual({
      ssl: 'disable',
      allow: '*',
      'log.level': 'info',
    });
  });

  it('keeps words that the ini package would turn into booleans, null and numbers', () => {
    expect(values("a=true\nb=false\nc=null\nd=007\ne='12'\nf=undefined\ng='[1,2]'")).toEqual({
      a: 'true',
      b: 'false',
      c: 'null',
      d: '007',
      e: '12',
      f: 'undefined',
      g: '[1,2]',
    });
  });

  it('takes quotes off, and lets comment signs stand inside them', () => {
    expect(values('a="ab;cd"\nb="x # y"\nc=\'plain\'\nd=" blanks "\ne=""')).toEqual({
      a: 'ab;cd',
      b: 'x # y',
      c: 'plain',
      d: ' blanks ',
      e: '',
    });
  });

  it('lets a key stand in two sections, and a section be opened twice', () => {
    expect(values('[a]\nx=1\n[b]\nx=2\n[a]\ny=3')).toEqual({ 'a.x': '1', 'b.x': '2', 'a.y': '3' });
  });

  it('takes names of the object prototype for plain names', () => {
    expect(values('constructor=a\n__proto__=b\n[__proto__]\ntoString=c')).toEqual({
      constructor: 'a',
      ['__proto__']: 'b',
      '__proto__.toString': 'c',
    });
    expect(read('').find('', 'constructor')).toBeUndefined();
  });

  it.each([
    ['a comment sign in a value', 'ssl=enable\npassword = ab;cd', 2, /the value of password.*; and # begin a comment/],
    ['a comment behind a value', 'allow=*  # everybody', 1, /put the comment on a line of its own/],
    ['a comment behind quotes', 'allow="*" ; everybody', 1, /begins with a quote must end with it/],
    ['a quote that does not end', 'allow="*', 1, /begins with a quote must end with it/],
    ['a quote inside quotes', 'allow="a"b"', 1, /no other quote/],
    ['single quotes around a number of another form', "port='1e3'", 1, /the value of port/],
    ['a doubled backslash', 'allow=a\\\\b', 1, /double each backslash/],
    ['an escaped comment sign', 'allow=a\\;b', 1, /the value of allow/],
    ['a colon in place of the equals sign', '\nssl: enable', 2, /key=value.*did you mean "ssl=enable"\?/],
    ['a colon before an equals sign', 'ssl: a=b', 1, /key=value/],
    ['a bare key', '; c\n; d\nssl', 3, /"ssl" cannot be read; a line is key=value/],
    ['a value without a key', '=enable', 1, /key=value/],
    ['a key with blanks', 'body size=1', 1, /key=value/],
    ['a key of an array', 'allow[]=*', 1, /key=value/],
    ['a heading without an end', '[log', 1, /must be \[name\]/],
    ['a heading without a name', '[ ]', 1, /must be \[name\]/],
    ['a heading with a comment', '[log] ; how much', 1, /nothing else on the line/],
    ['a key set twice', 'ssl=enable\n\nssl=disable', 3, /ssl is set in line 1 already/],
    ['a key set twice in one section', '[a]\nx=1\n[b]\n[a]\nx=1', 5, /x is set in line 2 already/],
    ['the line breaks of old Macs', '; comment\rdeny=10.1.1.1\rallow=*', 1, /must end with a line feed/],
    ['a line separator inside a line', 'allow=*\u2028', 1, /must end with a line feed/],
    ['a NUL', 'ss\0l=enable', 1, /"ss\\u0000l=enable" cannot be read/],
  ])('refuses %s with file and line', (_what, text, line, message) => {
    const failure = failureOf(text);
    expect(failure.code).toBe('BAD_CONFIG');
    expect(failure.message).toMatch(new RegExp(`^agent\\.ini line ${line}: `));
    expect(failure.message).toMatch(message);
  });
});

describe('editing a settings file', () => {
  const original = [
    '\uFEFF# settings of the server\r\n',
    '\r\n',
    'ssl = disable   \r\n',
    ';allow=10.1.1.1\r\n',
    '  allow=*\r\n',
    'deny=\r\n',
    '; how much is written\r\n',
    '[log]\r\n',
    "level='info'",
  ].join('');

  it.each([
    ['', 'ssl', 'enable', 'ssl = disable   ', 'ssl = enable   '],
    ['', 'allow', '10.1.1.1,*.example.com', '  allow=*', '  allow=10.1.1.1,*.example.com'],
    ['', 'deny', '10.1.1.*', 'deny=', 'deny=10.1.1.*'],
    ['', 'allow', '', '  allow=*', '  allow='],
    ['log', 'level', 'warn', "level='info'", 'level=warn'],
    ['', 'deny', '$& ; #', 'deny=', 'deny="$& ; #"'],
  ])('changes the value of %s %s to %j and no other byte', (section, key, value, before, after) => {
    expect(original.split(before)).toHaveLength(2);
    expect(read(original).with(section, key, value).text).toBe(original.split(before).join(after));
  });

  it('leaves the document it was made from as it was', () => {
    const document = read('ssl=disable\n');
    document.with('', 'ssl', 'enable');
    expect(document.text).toBe('ssl=disable\n');
    expect(document.find('', 'ssl')?.value).toBe('disable');
  });

  it.each([
    ['in an empty file', '', '', 'ssl=enable\n'],
    ['behind the last flat key', 'port=1\n; about logs\n[log]\n', '', 'port=1\nssl=enable\n; about logs\n[log]\n'],
    ['behind a last line that has no end', 'port=1', '', 'port=1\nssl=enable\n'],
    ['with the line ends of the file', 'port=1\r\nlisten=::', '', 'port=1\r\nlisten=::\r\nssl=enable\r\n'],
    [
      'above the comment of the first section',
      '; head\n\n; about logs\n[log]\nx=1\n',
      '',
      '; head\n\nssl=enable\n; about logs\n[log]\nx=1\n',
    ],
    ['at the top where a section begins the file', '[log]\n', '', 'ssl=enable\n[log]\n'],
    ['behind comments alone', '; nothing yet\n', '', '; nothing yet\nssl=enable\n'],
    ['behind the last key of its section', '[a]\nx=1\n\n[b]\ny=2\n', 'a', '[a]\nx=1\nssl=enable\n\n[b]\ny=2\n'],
    ['below the heading of an empty section', '[a]\n[b]\n', 'a', '[a]\nssl=enable\n[b]\n'],
    ['in a new section at the end', 'x=1', 'a', 'x=1\n\n[a]\nssl=enable\n'],
    ['in a new section of an empty file', '', 'a', '[a]\nssl=enable\n'],
  ])('adds a key that is not there %s', (_where, text, section, expected) => {
    expect(read(text).with(section, 'ssl', 'enable').text).toBe(expected);
  });

  it('refuses a key that could not be read again', () => {
    expect(() => read('').with('', 'no key', 'x')).toThrow(AgentError);
    expect(() => read('').with('no ] section', 'key', 'x')).toThrow(AgentError);
  });
});

describe('any settings file', () => {
  const name = fc.stringMatching(/^[a-z_][a-z0-9_]{0,8}$/);
  const plainValue = fc.stringMatching(/^(?:[A-Za-z0-9*.,/:-]{1,12}(?: [a-z]{1,5})?)?$/);
  const blanks = fc.constantFrom('', ' ', '\t', '  ');
  const lineBreak = fc.constantFrom('\n', '\r\n');
  const filler = fc.oneof(
    fc.constantFrom('', '   ', ';', '# ssl=enable', '; [log]', ';a;b#c'),
    fc.stringMatching(/^[;#][ -~é€]{0,20}$/),
  );
  const line = fc.oneof(
    filler.map(text => ({ kind: 'filler' as const, text })),
    fc.record({ kind: fc.constant('heading' as const), name }),
    fc.record({
      kind: fc.constant('entry' as const),
      name,
      value: plainValue,
      parts: fc.tuple(blanks, blanks, blanks, blanks),
    }),
  );

  interface Piece {
    readonly id: string | undefined;
    readonly before: string;
    readonly value: string;
    readonly after: string;
  }

  /** Lines in pieces, of keys that are set once, so that what an edit must leave alone is known without the code under test. */
  const file = fc.array(fc.tuple(line, lineBreak), { maxLength: 25 }).map(lines => {
    let section = '';
    const seen = new Set<string>();
    return lines.flatMap(([item, end]): Piece[] => {
      if (item.kind === 'filler') return [{ id: undefined, before: item.text, value: '', after: end }];
      if (item.kind === 'heading') {
        section = item.name;
        return [{ id: undefined, before: `[${item.name}]`, value: '', after: end }];
      }
      const id = `${section} ${item.name}`;
      if (seen.has(id)) return [];
      seen.add(id);
      const [indent, beforeSign, behindSign, trailing] = item.parts;
      // Blanks behind the sign and at the end are the same when there is nothing between them.
      const [gap, tail] = item.value === '' ? [behindSign + trailing, ''] : [behindSign, trailing];
      return [{ id, before: `${indent}${item.name}${beforeSign}=${gap}`, value: item.value, after: tail + end }];
    });
  });

  const textOf = (pieces: readonly Piece[]): string =>
    pieces.map(({ before, value, after }) => before + value + after).join('');

  it('gives its own text and every value back', () => {
    fc.assert(
      fc.property(file, pieces => {
        const document = read(textOf(pieces));
        expect(document.text).toBe(textOf(pieces));
        expect(document.entries.map(({ section, key, value }) => [`${section} ${key}`, value])).toEqual(
          pieces.filter(({ id }) => id !== undefined).map(({ id, value }) => [id, value]),
        );
      }),
    );
  });

  it('differs in one value alone after an edit', () => {
    fc.assert(
      fc.property(file, plainValue, fc.nat(), (pieces, value, choice) => {
        const keys = pieces.filter(({ id }) => id !== undefined);
        fc.pre(keys.length > 0);
        const chosen = keys[choice % keys.length]!;
        const [section = '', key = ''] = chosen.id!.split(' ');
        const expected = pieces.map(piece => (piece === chosen ? { ...piece, value } : piece));
        expect(read(textOf(pieces)).with(section, key, value).text).toBe(textOf(expected));
      }),
    );
  });

  it('reads back any text that was set, and has kept every other value', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('"', "'", '\\', ';', '#', '=', '[', ']', ' ', '\n', '\r', '\u2028', 'a') }),
    );
    fc.assert(
      fc.property(file, name, fc.oneof(fc.constant(''), name), anyText, (pieces, key, section, value) => {
        const before = read(textOf(pieces));
        const after = before.with(section, key, value);
        expect(after.find(section, key)?.value).toBe(value);
        const others = (document: IniDocument): unknown[] =>
          document.entries
            .filter(entry => entry.section !== section || entry.key !== key)
            .map(entry => [entry.section, entry.key, entry.value]);
        expect(others(after)).toEqual(others(before));
      }),
    );
  });

  it('is read or refused with a line, whatever it holds', () => {
    const anyFile = fc.array(
      fc.oneof(fc.string({ unit: 'binary', maxLength: 12 }), fc.constantFrom('a=', '[s]', '"', ';', '\n', '\r\n', '=')),
    );
    fc.assert(
      fc.property(anyFile, parts => {
        const text = parts.join('');
        try {
          expect(read(text).text).toBe(text);
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError);
          expect((error as AgentError).message).toMatch(/^agent\.ini line [1-9]\d*: /);
        }
      }),
    );
  });
});
