import { AgentError } from '../errors.ts';
import { type Element, elements } from './elements.ts';
import { isBlankCode } from './scalars.ts';

const exclamation = 0x21;
const slash = 0x2f;
const less = 0x3c;
const greater = 0x3e;
const question = 0x3f;

/** What XML 1.0 section 2.2 forbids anywhere in a document. Text of a JavaScript string may also hold half a character. */
const forbiddenCharacter =
  /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const declaration =
  /^<\?xml[ \t\n]+version[ \t\n]*=[ \t\n]*(?:"1\.[0-9]+"|'1\.[0-9]+')(?:[ \t\n]+encoding[ \t\n]*=[ \t\n]*(?:"[A-Za-z][A-Za-z0-9._-]*"|'[A-Za-z][A-Za-z0-9._-]*'))?(?:[ \t\n]+standalone[ \t\n]*=[ \t\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\n]*\?>/;
/** An ampersand with what makes it a reference, if anything does. */
const reference = /&(?:(?:amp|lt|gt|quot|apos|#[0-9]+|#x[0-9A-Fa-f]+);)?/g;
const predefined: ReadonlyMap<string, string> = new Map([
  ['&amp;', '&'],
  ['&lt;', '<'],
  ['&gt;', '>'],
  ['&quot;', '"'],
  ['&apos;', "'"],
]);
/** XML 1.0 section 2.3, productions 4 and 4a. */
const nameStart =
  /[:A-Z_a-z\xc0-\xd6\xd8-\xf6\xf8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\u{10000}-\u{effff}]/u;
const nameRest = /[-.0-9\xb7\u0300-\u036f\u203f\u2040]/;

/**
 * A cursor over the XML of one XML-RPC document: strict, without look-back, in linear time. It knows elements, character
 * data and what may stand between; the order of elements is the reader's business.
 *
 * Stricter than XML where a document has no use for it: no document type, hence no entities of the document's own.
 * Attributes are checked for their syntax and ignored.
 *
 * No message repeats what the document holds other than names of XML-RPC's own elements: an argument may be a password.
 */
export class XmlCursor {
  private readonly subject: string;
  private readonly text: string;
  private offset = 0;
  /** Whether the last start tag was of the form `<name/>`; its end is then still to be taken by `close`. */
  private selfClosed = false;
  /** Offset of the first ampersand that is not before the last character data, to look for each one only once. */
  private nextAmpersand = -1;
  private readonly hasSectionEnd: boolean;

  /**
   * @param subject what is read, for messages: `method call`
   * @throws AgentError MALFORMED when a character is not allowed in XML
   */
  constructor(text: string, subject: string) {
    this.subject = subject;
    // Line ends as XML 1.0 section 2.11 has them. Here and not per text, so that every offset is one of the same text.
    this.text = text.includes('\r') ? text.replaceAll('\r\n', '\n').replaceAll('\r', '\n') : text;
    const forbidden = this.text.search(forbiddenCharacter);
    if (forbidden !== -1) this.fail(forbidden, 'a character is not allowed in XML', 'characters of XML 1.0 are needed');
    this.hasSectionEnd = this.text.includes(']]>');
  }

  /** Where the cursor stands, in UTF-16 units. */
  get position(): number {
    return this.offset;
  }

  /** Takes the XML declaration, if there is one, and what may stand before the root element. */
  openDocument(): void {
    if (this.text.startsWith('<?xml') && !nameRestAt(this.text, 5)) {
      const end = declaration.exec(this.text)?.[0].length;
      if (end === undefined) this.fail(0, 'the XML declaration is wrong', "<?xml version='1.0'?> is needed");
      this.offset = end;
    }
  }

  /** Takes what may stand after the root element. */
  closeDocument(): void {
    this.skipBlanks();
    if (this.offset < this.text.length) this.failHere('the end of the document is needed');
  }

  /** Takes the start tag of an element with what may stand before it; false when something else follows. */
  open(element: Element): boolean {
    if (this.selfClosed) return false;
    const { text } = this;
    const offset = pastBlanks(text, this.offset);
    if (text.startsWith(element.startTag, offset)) {
      this.offset = offset + element.startTag.length;
      return true;
    }
    return this.openUnusual(element);
  }

  /** Takes the start tag of an element that has to follow. */
  expect(element: Element): void {
    if (!this.open(element)) this.failHere(`${element.startTag} is needed`);
  }

  /** Takes the end tag of the element with what may stand before it. */
  close(element: Element): void {
    if (this.selfClosed) {
      this.selfClosed = false;
      return;
    }
    const { text } = this;
    const offset = pastBlanks(text, this.offset);
    if (text.startsWith(element.endTag, offset)) this.offset = offset + element.endTag.length;
    else this.closeUnusual(element);
  }

  /** Takes the character data up to the next tag, with references and CDATA resolved and comments left out. */
  takeText(): string {
    if (this.selfClosed) return '';
    const { text, offset } = this;
    const end = text.indexOf('<', offset);
    if (end === -1) this.fail(text.length, 'the document ends', 'the end tags of its elements are needed');
    const next = text.charCodeAt(end + 1);
    if (next === exclamation || next === question) return this.takeMixedText();
    this.offset = end;
    return end === offset ? '' : this.characters(offset, end);
  }

  /** Whether the content of the last element ends here: an end tag follows, or the tag was `<name/>`. */
  isAtEnd(): boolean {
    return this.selfClosed || this.text.charCodeAt(this.offset + 1) === slash;
  }

  /** The first character of the tag's name that follows. */
  peekName(): string {
    return this.text.charAt(this.offset + 1);
  }

  /**
   * @param state what is so
   * @param need what is needed
   * @throws AgentError MALFORMED, always, with the line and column (in UTF-16 units) of the offset
   */
  fail(offset: number, state: string, need: string): never {
    throw new AgentError('MALFORMED', `read ${this.subject} at ${lineAndColumn(this.text, offset)}: ${state}; ${need}`);
  }

  /** As `fail`, about what follows. */
  failHere(need: string): never {
    this.skipBlanks();
    this.fail(this.offset, this.describe(), need);
  }

  private describe(): string {
    const { text, offset } = this;
    if (offset >= text.length) return 'the document ends';
    if (text.charCodeAt(offset) !== less) return 'there is text between elements';
    const isEnd = text.charCodeAt(offset + 1) === slash;
    const start = offset + (isEnd ? 2 : 1);
    const known = Object.values(elements).find(
      ({ name }) => text.startsWith(name, start) && !nameRestAt(text, start + name.length),
    );
    if (known === undefined) return 'a tag is none of XML-RPC';
    return `found ${isEnd ? known.endTag : known.startTag}`;
  }

  /** A start tag after a comment, with attributes, with blanks, or of the form `<name/>`. */
  private openUnusual(element: Element): boolean {
    this.skipBlanks();
    const { text, offset } = this;
    const nameEnd = offset + element.startTag.length - 1;
    if (!text.startsWith(element.startTag.slice(0, -1), offset) || nameRestAt(text, nameEnd)) return false;
    let end = this.skipAttributes(nameEnd);
    if (text.charCodeAt(end) === slash) {
      this.selfClosed = true;
      end += 1;
    }
    if (text.charCodeAt(end) !== greater) this.fail(offset, `the tag <${element.name} is not closed`, '> is needed');
    this.offset = end + 1;
    return true;
  }

  /** An end tag after a comment or with blanks. */
  private closeUnusual(element: Element): void {
    this.skipBlanks();
    const { text, offset } = this;
    const nameEnd = offset + element.endTag.length - 1;
    const end = pastBlanks(text, nameEnd);
    if (!text.startsWith(element.endTag.slice(0, -1), offset) || text.charCodeAt(end) !== greater) {
      this.failHere(`${element.endTag} is needed`);
    }
    this.offset = end + 1;
  }

  private skipAttributes(start: number): number {
    const { text } = this;
    let names: Set<string> | undefined;
    let end = start;
    for (;;) {
      const nameAt = pastBlanks(text, end);
      const nameEnd = endOfName(text, nameAt);
      if (nameAt === end || nameEnd === nameAt) return nameAt;
      names ??= new Set();
      const name = text.slice(nameAt, nameEnd);
      if (names.has(name)) this.fail(nameAt, 'an attribute is there twice', 'each attribute once is needed');
      names.add(name);
      const equals = pastBlanks(text, nameEnd);
      const quoteAt = pastBlanks(text, equals + 1);
      const quote = text.charAt(quoteAt);
      const close = quote === '"' || quote === "'" ? text.indexOf(quote, quoteAt + 1) : -1;
      if (text.charAt(equals) !== '=' || close === -1) {
        this.fail(nameAt, 'an attribute has no value in quotes', 'the form name="value" is needed');
      }
      const value = text.slice(quoteAt + 1, close);
      if (value.includes('<')) this.fail(quoteAt, 'an attribute holds a <', '&lt; is needed');
      this.resolve(value, quoteAt + 1);
      end = close + 1;
    }
  }

  /** Skips blanks, comments and processing instructions. */
  private skipBlanks(): void {
    const { text } = this;
    this.offset = pastBlanks(text, this.offset);
    while (text.charCodeAt(this.offset) === less) {
      const next = text.charCodeAt(this.offset + 1);
      if (next === question) this.skipInstruction();
      else if (next === exclamation) this.skipComment();
      else return;
      this.offset = pastBlanks(text, this.offset);
    }
  }

  private skipComment(): void {
    const { text, offset } = this;
    if (text.startsWith('<![CDATA[', offset)) {
      this.fail(offset, 'a CDATA section is between elements', 'nothing but elements is needed there');
    }
    if (!text.startsWith('<!--', offset)) {
      this.fail(offset, 'there is a declaration', 'a document without DOCTYPE and ENTITY is needed');
    }
    const end = text.indexOf('--', offset + 4);
    if (end === -1) this.fail(offset, 'a comment is not closed', '--> is needed');
    if (text.charCodeAt(end + 2) !== greater) this.fail(end, 'a comment holds --', '--> is needed');
    this.offset = end + 3;
  }

  private skipInstruction(): void {
    const { text, offset } = this;
    const targetEnd = endOfName(text, offset + 2);
    const target = text.slice(offset + 2, targetEnd);
    const end = text.indexOf('?>', targetEnd);
    if (target === '' || end === -1 || (end !== targetEnd && !isBlankCode(text.charCodeAt(targetEnd)))) {
      this.fail(offset, 'a processing instruction is wrong', 'the form <?name text?> is needed');
    }
    if (target.toLowerCase() === 'xml') {
      this.fail(offset, 'there is an XML declaration', 'it is needed at the very start or not at all');
    }
    this.offset = end + 2;
  }

  private takeMixedText(): string {
    const { text } = this;
    let taken = '';
    for (;;) {
      const end = text.indexOf('<', this.offset);
      if (end === -1) this.fail(text.length, 'the document ends', 'the end tags of its elements are needed');
      taken += this.characters(this.offset, end);
      this.offset = end;
      const next = text.charCodeAt(end + 1);
      if (text.startsWith('<![CDATA[', end)) {
        const close = text.indexOf(']]>', end + 9);
        if (close === -1) this.fail(end, 'a CDATA section is not closed', ']]> is needed');
        taken += text.slice(end + 9, close);
        this.offset = close + 3;
      } else if (next === exclamation) this.skipComment();
      else if (next === question) this.skipInstruction();
      else return taken;
    }
  }

  /** Character data without markup. */
  private characters(start: number, end: number): string {
    const raw = this.text.slice(start, end);
    if (this.hasSectionEnd && raw.includes(']]>')) {
      this.fail(start + raw.indexOf(']]>'), 'there is a ]]> outside a CDATA section', ']]&gt; is needed');
    }
    if (this.nextAmpersand < start) {
      const found = this.text.indexOf('&', start);
      this.nextAmpersand = found === -1 ? this.text.length : found;
    }
    return this.nextAmpersand < end ? this.resolve(raw, start) : raw;
  }

  /** The text with its references resolved. */
  private resolve(raw: string, start: number): string {
    return raw.replace(reference, (found: string, offset: number) => this.referenced(found, start + offset));
  }

  private referenced(found: string, at: number): string {
    const character = predefined.get(found);
    if (character !== undefined) return character;
    if (found === '&') {
      this.fail(at, 'an ampersand begins no known reference', '&amp; is needed for the character itself');
    }
    const code = found.startsWith('&#x') ? Number.parseInt(found.slice(3, -1), 16) : Number(found.slice(2, -1));
    if (code > 0x10ffff || forbiddenCharacter.test(String.fromCodePoint(code))) {
      this.fail(at, 'a reference is to no character of XML', 'a character of XML 1.0 is needed');
    }
    return String.fromCodePoint(code);
  }
}

/** Line and column, both from 1, of an offset in a text whose line ends are line feeds. */
export function lineAndColumn(text: string, offset: number): string {
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf('\n'); end !== -1 && end < offset; end = text.indexOf('\n', lineStart)) {
    line += 1;
    lineStart = end + 1;
  }
  return `line ${line}, column ${offset - lineStart + 1}`;
}

function pastBlanks(text: string, start: number): number {
  let end = start;
  while (isBlankCode(text.charCodeAt(end))) end += 1;
  return end;
}

/** Whether a name that ends at the offset would go on there. */
function nameRestAt(text: string, offset: number): boolean {
  const code = text.codePointAt(offset);
  if (code === undefined) return false;
  const character = String.fromCodePoint(code);
  return nameStart.test(character) || nameRest.test(character);
}

function endOfName(text: string, start: number): number {
  const first = text.codePointAt(start);
  if (first === undefined || !nameStart.test(String.fromCodePoint(first))) return start;
  let end = start;
  while (nameRestAt(text, end)) end += text.codePointAt(end)! > 0xffff ? 2 : 1;
  return end;
}
