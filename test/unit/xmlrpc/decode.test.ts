import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { decodeDocument } from '../../../src/xmlrpc/decode.ts';

function bytes(...parts: (string | readonly number[])[]): Uint8Array {
  return Buffer.concat(parts.map(part => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
}

function declared(encoding: string): string {
  return `<?xml version="1.0" encoding="${encoding}"?>`;
}

function utf16(text: string, order: 'little' | 'big'): Buffer {
  const encoded = Buffer.from(`\ufeff${text}`, 'utf16le');
  return order === 'little' ? encoded : encoded.swap16();
}

function refusal(document: Uint8Array): string {
  try {
    decodeDocument(document);
  } catch (error) {
    if (error instanceof AgentError && error.code === 'MALFORMED') return error.message;
    throw error;
  }
  throw new Error('the document was decoded');
}

describe('a document without a declared encoding', () => {
  it('is UTF-8', () => {
    expect(decodeDocument(bytes('<a>grüße 日本 \u{1f600}</a>'))).toBe('<a>grüße 日本 \u{1f600}</a>');
    expect(decodeDocument(bytes("<?xml version='1.0'?><a>ü</a>"))).toBe("<?xml version='1.0'?><a>ü</a>");
    expect(decodeDocument(bytes(''))).toBe('');
  });

  it('may begin with the byte order mark of UTF-8, which is no part of the text', () => {
    expect(decodeDocument(bytes('\ufeff<a>ü</a>'))).toBe('<a>ü</a>');
    expect(decodeDocument(bytes('\ufeff', declared('UTF-8'), 'ü'))).toBe(`${declared('UTF-8')}ü`);
  });

  it('is read from a view that does not begin at the start of its memory', () => {
    const memory = bytes('xxxx<a/>yyyy');
    expect(decodeDocument(new Uint8Array(memory.buffer, memory.byteOffset + 4, 4))).toBe('<a/>');
  });

  it.each([
    ['a byte of another encoding', [0xfc]],
    ['a character that is cut', [0xe6, 0x97]],
    ['a longer form than is needed', [0xc0, 0xbc]],
    ['half of a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ])('is refused with %s, at its place', (_, invalid) => {
    expect(refusal(bytes('<a>\r\nü\ufffd', invalid, '</a>'))).toBe(
      'decode XML document: line 2, column 3 has a byte that is not UTF-8; text of the encoding is needed',
    );
  });
});

describe('a declared encoding', () => {
  it.each(['UTF-8', 'utf-8', 'utf8'])('of %s is UTF-8', name => {
    expect(decodeDocument(bytes(declared(name), 'ü'))).toBe(`${declared(name)}ü`);
  });

  it.each(['ISO-8859-1', 'iso-8859-1', 'latin1'])('of %s has a character for every byte', name => {
    expect(decodeDocument(bytes(declared(name), [0x80, 0xe9, 0xff]))).toBe(`${declared(name)}\u0080éÿ`);
  });

  it('of windows-1252 has its own characters from 0x80 to 0x9f', () => {
    expect(decodeDocument(bytes(declared('windows-1252'), [0x80, 0x93, 0x9c, 0x9f, 0xe9]))).toBe(
      `${declared('windows-1252')}€“œŸé`,
    );
    expect(refusal(bytes(declared('cp1252'), '\n', [0x41, 0x81]))).toContain('line 2, column 2');
  });

  it('of US-ASCII refuses other bytes', () => {
    expect(decodeDocument(bytes(declared('US-ASCII'), 'a'))).toBe(`${declared('US-ASCII')}a`);
    expect(refusal(bytes(declared('ascii'), '\n', [0x41, 0xe9]))).toContain(
      'line 2, column 2 has a byte that is not US-ASCII',
    );
  });

  it('in single quotes and with blanks is found', () => {
    const document = bytes("<?xml version='1.0'\r\n\tencoding = 'ISO-8859-1' ?>", [0xe9]);
    expect(decodeDocument(document)).toMatch(/é$/);
  });

  it.each(['UTF-7', 'UTF-32', 'EBCDIC-CP-US', 'Shift_JIS', 'ISO-8859-15', 'x', ''])('of %j is refused', name => {
    expect(refusal(bytes(declared(name), '<a/>'))).toBe(
      'decode XML document: the declared encoding is not known; one of UTF-8, US-ASCII, ISO-8859-1, windows-1252, UTF-16 is needed',
    );
  });

  it('that is only text of the document counts for nothing', () => {
    expect(decodeDocument(bytes('<a encoding="UTF-7"/>'))).toBe('<a encoding="UTF-7"/>');
    expect(decodeDocument(bytes('<?xml version="1.0"?><a encoding="UTF-7"/>'))).toContain('UTF-7');
    expect(decodeDocument(bytes('<?xml-style encoding="UTF-7"?><a/>'))).toContain('UTF-7');
  });

  it('is looked for in a bounded part of the document', () => {
    expect(refusal(bytes(`<?xml version="1.0" ${' '.repeat(5_000)}?>`))).toContain('does not end within 1024 bytes');
  });
});

describe('UTF-16', () => {
  it.each(['little', 'big'] as const)('with a byte order mark is read, %s end first', order => {
    const text = `${declared('UTF-16')}日本 \u{1f600}`;
    expect(decodeDocument(utf16(text, order))).toBe(text);
    expect(decodeDocument(utf16('<a/>', order))).toBe('<a/>');
  });

  it('leaves the bytes of the caller as they are', () => {
    const document = utf16('<a/>', 'big');
    const before = Buffer.from(document);
    decodeDocument(document);
    expect(document.equals(before)).toBe(true);
  });

  it('without a byte order mark is refused', () => {
    expect(refusal(Buffer.from('<a/>', 'utf16le'))).toContain('without a byte order mark');
    expect(refusal(Buffer.from('<a/>', 'utf16le').swap16())).toContain('without a byte order mark');
    expect(refusal(bytes(declared('UTF-16'), '<a/>'))).toContain('without a byte order mark');
  });

  it.each(['little', 'big'] as const)('with half a character at its end is refused, %s end first', order => {
    expect(refusal(bytes([...utf16('<a/>', order), 0x20]))).toContain('ends within a character');
  });

  it('that is declared to be something else is refused, as is a mark of UTF-8', () => {
    expect(refusal(utf16(declared('UTF-8'), 'little'))).toContain('a byte order mark of UTF-16 but UTF-8 is declared');
    expect(refusal(bytes('\ufeff', declared('ISO-8859-1')))).toContain('a byte order mark of UTF-8 but ISO-8859-1');
  });
});
