import { type Element, elements } from './elements.ts';
import {
  isBlank,
  parseBase64,
  parseBoolean,
  parseDateTime,
  parseDouble,
  parseInt32,
  parseInt64,
  trimBlanks,
} from './scalars.ts';
import {
  deepestNesting,
  isStruct,
  methodNamePattern,
  type XmlRpcLimits,
  type XmlRpcStruct,
  type XmlRpcValue,
} from './values.ts';
import { XmlCursor } from './xml.ts';

const int32Need = 'digits with an optional sign, from -2147483648 to 2147483647, are needed';
const int64Need = 'digits with an optional sign, in the range of 64 bits, are needed';
const doubleNeed = 'a finite decimal number is needed';
const dateTimeNeed = 'the form 19980717T14:08:55, without a zone, is needed';
const base64Need = 'base64 with its padding is needed';

/** A call as it came in. */
export interface MethodCall {
  readonly method: string;
  readonly params: XmlRpcValue[];
}

export interface XmlRpcFault {
  readonly code: number;
  readonly message: string;
}

/** A reply as it came in. */
export type MethodResponse = { readonly value: XmlRpcValue } | { readonly fault: XmlRpcFault };

/**
 * Reads a method call (http://xmlrpc.com/spec.md, "Request example" and "Payload format"). Strings of the result may share
 * the memory of the document.
 *
 * @param text the document, decoded
 * @throws AgentError MALFORMED with what is so, what is needed, line and column
 */
export function readMethodCall(text: string, limits: XmlRpcLimits): MethodCall {
  const cursor = new XmlCursor(text, 'method call');
  const reader = new ValueReader(cursor, limits);
  cursor.openDocument();
  cursor.expect(elements.methodCall);
  cursor.expect(elements.methodName);
  const nameAt = cursor.position;
  const method = trimBlanks(cursor.takeText());
  if (!methodNamePattern.test(method)) {
    cursor.fail(nameAt, 'the method name cannot be one', '1 to 255 of A-Z a-z 0-9 _ . : / are needed');
  }
  cursor.close(elements.methodName);
  const params: XmlRpcValue[] = [];
  if (cursor.open(elements.params)) {
    while (cursor.open(elements.param)) {
      params.push(reader.readValue());
      cursor.close(elements.param);
    }
    cursor.close(elements.params);
  }
  cursor.close(elements.methodCall);
  cursor.closeDocument();
  return { method, params };
}

/**
 * Reads a method response (http://xmlrpc.com/spec.md, "Response example" and "Fault example").
 *
 * @param text the document, decoded
 * @throws AgentError MALFORMED with what is so, what is needed, line and column
 */
export function readMethodResponse(text: string, limits: XmlRpcLimits): MethodResponse {
  const cursor = new XmlCursor(text, 'method response');
  const reader = new ValueReader(cursor, limits);
  cursor.openDocument();
  cursor.expect(elements.methodResponse);
  let response: MethodResponse;
  if (cursor.open(elements.fault)) {
    response = { fault: readFault(cursor, reader) };
    cursor.close(elements.fault);
  } else {
    cursor.expect(elements.params);
    cursor.expect(elements.param);
    response = { value: reader.readValue() };
    cursor.close(elements.param);
    cursor.close(elements.params);
  }
  cursor.close(elements.methodResponse);
  cursor.closeDocument();
  return response;
}

function readFault(cursor: XmlCursor, reader: ValueReader): XmlRpcFault {
  const at = cursor.position;
  const value = reader.readValue();
  if (isStruct(value)) {
    const { faultCode: code, faultString: message } = value;
    if (typeof code === 'number' && Number.isInteger(code) && typeof message === 'string') return { code, message };
  }
  return cursor.fail(at, 'the fault lacks its number or text', 'members faultCode (int) and faultString are needed');
}

class ValueReader {
  private readonly cursor: XmlCursor;
  private readonly deepest: number;
  private readonly mostValues: number;
  private values = 0;

  constructor(cursor: XmlCursor, limits: XmlRpcLimits) {
    this.cursor = cursor;
    this.deepest = Math.min(limits.depth, deepestNesting);
    this.mostValues = limits.values;
  }

  /** Reads a `<value>` element that has to follow. */
  readValue(): XmlRpcValue {
    this.cursor.expect(elements.value);
    return this.finishValue(0);
  }

  /** Reads a value whose start tag was taken, with its end tag. */
  private finishValue(depth: number): XmlRpcValue {
    const { cursor } = this;
    const at = cursor.position;
    this.values += 1;
    if (this.values > this.mostValues) {
      cursor.fail(at, 'there are too many values', `at most ${this.mostValues} are allowed; fewer are needed`);
    }
    const text = cursor.takeText();
    if (cursor.isAtEnd()) {
      cursor.close(elements.value);
      return text;
    }
    if (text !== '' && !isBlank(text)) {
      cursor.fail(at, 'there is text beside a type element', 'one of both is needed');
    }
    const value = this.typed(depth);
    cursor.close(elements.value);
    return value;
  }

  /** Reads a type element. The candidates are told apart by their first character, the most frequent come first. */
  private typed(depth: number): XmlRpcValue {
    const { cursor } = this;
    switch (cursor.peekName()) {
      case 's':
        if (cursor.open(elements.string)) return this.finishString();
        if (cursor.open(elements.struct)) return this.finishStruct(depth + 1);
        break;
      case 'i':
        if (cursor.open(elements.int)) return this.finish(elements.int, parseInt32, int32Need);
        if (cursor.open(elements.i4)) return this.finish(elements.i4, parseInt32, int32Need);
        if (cursor.open(elements.i8)) return this.finish(elements.i8, parseInt64, int64Need);
        break;
      case 'b':
        if (cursor.open(elements.boolean)) return this.finish(elements.boolean, parseBoolean, '1 or 0 is needed');
        if (cursor.open(elements.base64)) return this.finish(elements.base64, parseBase64, base64Need);
        break;
      case 'd':
        if (cursor.open(elements.double)) return this.finish(elements.double, parseDouble, doubleNeed);
        if (cursor.open(elements.dateTime)) return this.finish(elements.dateTime, parseDateTime, dateTimeNeed);
        break;
      case 'a':
        if (cursor.open(elements.array)) return this.finishArray(depth + 1);
        break;
      case 'n':
        if (cursor.open(elements.nil)) return this.finishNil(elements.nil);
        break;
      case 'e':
        if (cursor.open(elements.exNil)) return this.finishNil(elements.exNil);
        if (cursor.open(elements.exI8)) return this.finish(elements.exI8, parseInt64, int64Need);
        break;
    }
    return cursor.failHere('a type of XML-RPC is needed');
  }

  private finishString(): string {
    const text = this.cursor.takeText();
    this.cursor.close(elements.string);
    return text;
  }

  private finishNil(element: Element): null {
    this.cursor.close(element);
    return null;
  }

  private finish<T extends XmlRpcValue>(element: Element, parse: (text: string) => T | undefined, need: string): T {
    const { cursor } = this;
    const at = cursor.position;
    const text = cursor.takeText();
    const value = parse(text);
    cursor.close(element);
    return value ?? cursor.fail(at, `the text of ${element.startTag} is not of that type`, need);
  }

  private finishArray(depth: number): XmlRpcValue[] {
    const { cursor } = this;
    this.checkDepth(depth);
    const items: XmlRpcValue[] = [];
    cursor.expect(elements.data);
    while (cursor.open(elements.value)) items.push(this.finishValue(depth));
    cursor.close(elements.data);
    cursor.close(elements.array);
    return items;
  }

  private finishStruct(depth: number): XmlRpcStruct {
    const { cursor } = this;
    this.checkDepth(depth);
    // Without a prototype, so that no name has a meaning: __proto__ is a member like any other.
    const members = Object.create(null) as Record<string, XmlRpcValue>;
    while (cursor.open(elements.member)) {
      cursor.expect(elements.name);
      const at = cursor.position;
      const name = cursor.takeText();
      cursor.close(elements.name);
      if (members[name] !== undefined)
        cursor.fail(at, 'the struct has that member already', 'each name once is needed');
      cursor.expect(elements.value);
      members[name] = this.finishValue(depth);
      cursor.close(elements.member);
    }
    cursor.close(elements.struct);
    return members;
  }

  private checkDepth(depth: number): void {
    if (depth > this.deepest) {
      this.cursor.fail(
        this.cursor.position,
        'arrays and structs are nested too deep',
        `at most ${this.deepest} levels are needed`,
      );
    }
  }
}
