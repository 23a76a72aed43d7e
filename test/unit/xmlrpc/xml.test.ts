import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { readMethodCall } from '../../../src/xmlrpc/reader.ts';
import type { XmlRpcValue } from '../../../src/xmlrpc/values.ts';

const limits = { depth: 64, values: 10_000_000 };
const root = '<methodCall><methodName>echo</methodName></methodCall>';

function withString(content: string): string {
  return `<methodCall><methodName>echo</methodName><params><param><value><string>${content}</string></value></param></params></methodCall>`;
}

function readString(content: string): XmlRpcValue | undefined {
  return readMethodCall(withString(content), limits).params[0];
}

function refusal(document: string): string {
  try {
    readMethodCall(document, limits);
  } catch (error) {
    if (error instanceof AgentError && error.code === 'MALFORMED') return error.message;
    throw error;
  }
  throw new Error('the document was read');
}

describe('what may stand beside the elements', () => {
  it.each([
    root,
    `<?xml version='1.0'?>${root}`,
    `<?xml version="1.0" encoding="utf-8" standalone='yes' ?>\n${root}\n`,
    `<?xml version = '1.1'\n encoding='UTF-8'?>${root}`,
    `\n${root}`,
    `<!-- a --><?style sheet?>${root}<!-- b -->\n<?end?>`,
    '<methodCall ><!-- a --><methodName\n>echo</methodName >\t<?a b?></methodCall\n>',
    '<methodCall xmlns="urn:x" a:b=\'"\' ünïcode = "&lt;&#65;"><methodName x="1"\ny="2">echo</methodName></methodCall>',
  ])('is skipped: %s', document => {
    expect(readMethodCall(document, limits)).toEqual({ method: 'echo', params: [] });
  });

  it.each([
    [`\n<?xml version='1.0'?>${root}`, 'at the very start'],
    [`${root}<?xml version='1.0'?>`, 'at the very start'],
    [`${root}<?XML ?>`, 'at the very start'],
    [`<?xml?>${root}`, 'the XML declaration is wrong'],
    [`<?xml version='2.0'?>${root}`, 'the XML declaration is wrong'],
    [`<?xml encoding='utf-8' version='1.0'?>${root}`, 'the XML declaration is wrong'],
    [`<?xml version='1.0" ?>${root}`, 'the XML declaration is wrong'],
    [`<?xml version='1.0'`, 'the XML declaration is wrong'],
    [`<!-- a -- b -->${root}`, 'a comment holds --'],
    [`<!-- a --->${root}`, 'a comment holds --'],
    [`<!-->${root}`, 'a comment is not closed'],
    [`<!-- a${root}`, 'a comment is not closed'],
    [`<? a?>${root}`, 'a processing instruction is wrong'],
    [`<?a+b?>${root}`, 'a processing instruction is wrong'],
    [`<?a ${root}`, 'a processing instruction is wrong'],
    [`<![CDATA[ ]]>${root}`, 'a CDATA section is between elements'],
    [root.replace('<methodCall>', '<methodCall a>'), 'an attribute has no value in quotes'],
    [root.replace('<methodCall>', '<methodCall a=1>'), 'an attribute has no value in quotes'],
    [root.replace('<methodCall>', '<methodCall a="1>'), 'an attribute has no value in quotes'],
    [root.replace('<methodCall>', '<methodCall a="1"b="2">'), 'is not closed'],
    [root.replace('<methodCall>', '<methodCall a="1" a="2">'), 'an attribute is there twice'],
    [root.replace('<methodCall>', '<methodCall a="<">'), 'an attribute holds a <'],
    [root.replace('<methodCall>', '<methodCall a="&b;">'), 'no known reference'],
    [root.replace('<methodCall>', '<methodCall 1="1">'), 'is not closed'],
    [root.replace('<methodCall>', '<methodCall/ >'), 'is not closed'],
    [root.replace('<methodCall>', '< methodCall>'), 'a tag is none of XML-RPC'],
    [root.replace('</methodCall>', '</ methodCall>'), 'a tag is none of XML-RPC'],
    [root.replace('</methodCall>', '</methodCall x="1">'), 'found </methodCall>'],
    [root.replace('<methodCall>', '<methodCalls>'), 'a tag is none of XML-RPC'],
  ])('is refused when XML does not allow it: %s', (document, reason) => {
    expect(refusal(document)).toContain(reason);
  });
});

describe('a document type', () => {
  it.each([
    `<!DOCTYPE methodCall>${root}`,
    `<!DOCTYPE methodCall SYSTEM "file:///etc/passwd">${root}`,
    `<!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>${withString('&lol2;')}`,
    `<!DOCTYPE x [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>${withString('&xxe;')}`,
    withString('<!ENTITY a "b">'),
    `<!doctype methodCall>${root}`,
  ])('is refused before anything in it has an effect: %s', document => {
    expect(refusal(document)).toContain('without DOCTYPE and ENTITY is needed');
  });
});

describe('text', () => {
  it.each([
    ['&lt;&gt;&amp;&quot;&apos;', '<>&"\''],
    ['&amp;lt;', '&lt;'],
    ['&#65;&#x42;&#x0063;', 'ABc'],
    ['&#x10FFFF;&#128512;', '\u{10ffff}\u{1f600}'],
    ['&#13;&#10;&#9;', '\r\n\t'],
    ['a<![CDATA[<b>&amp;]] >]]>c', 'a<b>&amp;]] >c'],
    ['<![CDATA[]]>', ''],
    ['<![CDATA[]]]]><![CDATA[>]]>', ']]>'],
    ['a<!-- <b> & -->b<?c d?>e', 'abe'],
    ['"\'>', '"\'>'],
    ['grüße 日本 \u{1f600}', 'grüße 日本 \u{1f600}'],
    ['\u007f\u0085\u2028', '\u007f\u0085\u2028'],
  ])('is %j resolved', (content, text) => {
    expect(readString(content)).toBe(text);
  });

  it('has line ends of every kind as line feeds', () => {
    expect(readString('a\r\nb\rc\nd\r\r\n<![CDATA[\r\n]]>')).toBe('a\nb\nc\nd\n\n\n');
  });

  it.each([
    '&#x110000;',
    '&#1114112;',
    '&#0;',
    '&#x0;',
    '&#1;',
    '&#11;',
    '&#xD800;',
    '&#xDFFF;',
    '&#xFFFE;',
    '&#65535;',
    `&#${'9'.repeat(40)};`,
    `&#x${'F'.repeat(40)};`,
  ])('with a reference to what is no character is refused: %s', content => {
    expect(refusal(withString(content))).toContain('a reference is to no character of XML');
  });

  it.each([
    '&',
    '& ',
    '&amp',
    '&;',
    '&nbsp;',
    '&AMP;',
    '&#;',
    '&#x;',
    '&#xg;',
    '&#X41;',
    '&#-1;',
    '&# 65;',
    '&amp ;',
    'a&&amp;',
  ])('with an ampersand that is no reference is refused: %s', content => {
    expect(refusal(withString(content))).toContain('an ampersand begins no known reference');
  });

  it.each(['\u0000', '\u0001', '\u000b', '\u001f', '\ufffe', '\uffff', '\ud800', '\udc00', '\udc00\ud800'])(
    'with the forbidden character %j is refused, also in a comment',
    character => {
      expect(refusal(withString(`ab${character}`))).toMatch(
        /^read method call at line 1, column 74: a character is not/,
      );
      expect(refusal(`<!--${character}-->${root}`)).toContain('a character is not allowed in XML');
    },
  );

  it.each([
    ['a]]>b', 'outside a CDATA section'],
    ['<![CDATA[a', 'a CDATA section is not closed'],
    ['<![cdata[a]]>', 'a declaration'],
    ['<!-- a', 'a comment is not closed'],
  ])('with markup that is not closed or misplaced is refused: %s', (content, reason) => {
    expect(refusal(withString(content))).toContain(reason);
  });
});

describe('a failure', () => {
  it('says what is so, what is needed, and where, after line ends of any kind', () => {
    const document = '<methodCall>\r\n<methodName>a</methodName>\r  <params>\n\n   <param></value></param>';
    expect(refusal(document)).toBe('read method call at line 5, column 11: found </value>; <value> is needed');
  });

  it('points behind the end of a document that is cut', () => {
    expect(refusal('<methodCall>\n')).toBe(
      'read method call at line 2, column 1: the document ends; <methodName> is needed',
    );
  });
});

describe('a large hostile document', () => {
  const size = 2_000_000;
  const fill = (piece: string) => piece.repeat(Math.ceil(size / piece.length));

  it.each([
    ['mismatched tags', `<methodCall>${fill('<a></b>')}`],
    ['start tags only', fill('<methodCall>')],
    ['end tags only', fill('</value>')],
    ['values that are never closed', withString(`</string></value>${fill('<value>')}`)],
    ['half-open tags', withString(fill('<'))],
    ['ampersands', withString(fill('&'))],
    ['references that are never closed', withString(fill('&#1'))],
    ['comments that are never closed', withString(fill('<!-'))],
    ['CDATA sections that are never closed', withString(fill('<![CDATA['))],
    ['section ends', withString(fill(']]>'))],
    ['attributes', root.replace('<methodCall>', `<methodCall ${fill('a="1" ')}>`)],
    ['one endless attribute', root.replace('<methodCall>', `<methodCall ${fill('a')}>`)],
    ['one endless attribute value', root.replace('<methodCall>', `<methodCall a="${fill('a')}>`)],
    ['blanks in a tag', root.replace('<methodCall>', `<methodCall${fill(' ')}x>`)],
    ['blanks in the declaration', `<?xml version='1.0'${fill(' ')}x?>${root}`],
    [
      'digits of an int',
      root.replace('</methodName>', `</methodName><params><param><value><i8>${fill('9')}</i8></value>`),
    ],
    [
      'digits of a double',
      withString('')
        .replaceAll('string', 'double')
        .replace('></d', `>${fill('1')}x</d`),
    ],
    [
      'blanks before a double',
      withString('')
        .replaceAll('string', 'double')
        .replace('></d', `>${fill(' ')}x</d`),
    ],
    [
      'base64',
      withString('')
        .replaceAll('string', 'base64')
        .replace('></b', `>${fill('aGk=\n')}</b`),
    ],
  ])('of %s is refused in linear time', (_, document) => {
    const start = performance.now();
    refusal(document);
    // Quadratic time would be minutes; the bound leaves room for a machine that is busy.
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it.each([
    ['text', 'a', 'a'],
    ['two-byte text', '日', '日'],
    ['references', '&lt;', '<'],
    ['numeric references', '&#x41;', 'A'],
    ['CDATA sections', '<![CDATA[x]]>', 'x'],
    ['comments', 'y<!---->', 'y'],
    ['carriage returns', '\r\n', '\n'],
  ])('of 10 MB of %s is read whole', (_, piece, read) => {
    const count = Math.floor(10_000_000 / piece.length);
    const start = performance.now();
    expect(readString(piece.repeat(count)) === read.repeat(count)).toBe(true);
    expect(performance.now() - start).toBeLessThan(5_000);
  });

  it('of a reference with a million digits is refused', () => {
    expect(refusal(withString(`&#${'9'.repeat(1_000_000)};`))).toContain('a reference is to no character of XML');
    expect(refusal(withString(`&#x${'F'.repeat(1_000_000)};`))).toContain('a reference is to no character of XML');
  });

  it('of comments between the elements is read', () => {
    expect(readMethodCall(`${'<!--a-->\n'.repeat(200_000)}${root}`, limits).method).toBe('echo');
  });
});
