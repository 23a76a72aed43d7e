import { describe, expect, it } from 'vitest';
import { readMethodCall, readMethodResponse } from '../../../src/xmlrpc/reader.ts';
import { XmlRpcDateTime, type XmlRpcLimits, type XmlRpcValue } from '../../../src/xmlrpc/values.ts';
import { failureOf } from '../../support/failure-of.ts';

const limits: XmlRpcLimits = { depth: 64, values: 10_000 };

function call(params: string): string {
  return `<?xml version="1.0"?><methodCall><methodName>echo</methodName>${params}</methodCall>`;
}

function readValue(value: string, bounds = limits): XmlRpcValue | undefined {
  return readMethodCall(call(`<params><param>${value}</param></params>`), bounds).params[0];
}

function refusal(document: string, bounds = limits): string {
  const failure = failureOf(() => readMethodCall(document, bounds));
  expect(failure.code).toBe('MALFORMED');
  return failure.message;
}

function refusalOfValue(value: string, bounds = limits): string {
  return refusal(call(`<params><param>${value}</param></params>`), bounds);
}

/** An array in an array in an array, to the depth. */
function nested(depth: number): string {
  return `${'<value><array><data>'.repeat(depth)}${'</data></array></value>'.repeat(depth)}`;
}

describe('a method call', () => {
  it('gives its method and its arguments in order', () => {
    const document = call(
      '<params><param><value><string>a</string></value></param><param><value><int>2</int></value></param></params>',
    );
    expect(readMethodCall(document, limits)).toEqual({ method: 'echo', params: ['a', 2] });
  });

  it.each(['', '<params/>', '<params></params>', '<params>\n</params>', '<params />'])(
    'may have no arguments: %j',
    params => {
      expect(readMethodCall(call(params), limits)).toEqual({ method: 'echo', params: [] });
    },
  );

  it('may have blanks around its name', () => {
    expect(readMethodCall('<methodCall><methodName>\n a.b:c/d_9 </methodName></methodCall>', limits).method).toBe(
      'a.b:c/d_9',
    );
  });

  it.each(['', ' ', 'a b', 'a-b', 'é', '<![CDATA[a&b]]>', 'a'.repeat(256)])('cannot have the name %j', name => {
    expect(refusal(`<methodCall><methodName>${name}</methodName></methodCall>`)).toContain('method name');
  });

  it('may have a name of 255 characters', () => {
    const name = 'a'.repeat(255);
    expect(readMethodCall(`<methodCall><methodName>${name}</methodName></methodCall>`, limits).method).toBe(name);
  });

  it.each([
    call('<params><param><methodName>start_vm</methodName></param></params>'),
    call('<params><param><value><methodName>start_vm</methodName></value></param></params>'),
    call('<params/><methodName>start_vm</methodName>'),
    call('<methodName>start_vm</methodName><params/>'),
  ])('cannot have a second method name: %s', document => {
    expect(refusal(document)).toContain('found <methodName>');
  });

  it.each([
    '',
    ' ',
    'hello',
    '<methodCall/>',
    '<methodCall></methodCall>',
    '<methodCall><params/></methodCall>',
    '<methodCall><methodName>echo</methodName>',
    '<methodCall><methodName>echo',
    '<methodCall><methodName>echo</methodName></methodcall>',
    '<methodCall><methodName>echo</methodName><params/><params/></methodCall>',
    '<methodResponse><params><param><value/></param></params></methodResponse>',
    call('<params><param/></params>'),
    call('<params><value/></params>'),
    call('<params><param><value/><value/></param></params>'),
    call('<params>text</params>'),
    call('<params/><param><value/></param>'),
    `${call('')}<x/>`,
    `${call('')}text`,
    `${call('')}${call('')}`,
    `${call('')}&#32;`,
  ])('is refused when it is not one: %j', document => {
    expect(refusal(document)).toMatch(/^read method call at line 1, column \d+: .+; .+/);
  });
});

describe('a value', () => {
  it.each<[string, XmlRpcValue]>([
    ['<value><int>-3</int></value>', -3],
    ['<value><i4> +12 </i4></value>', 12],
    ['<value><i8>4294967296</i8></value>', 4_294_967_296],
    ['<value><ex:i8>9007199254740993</ex:i8></value>', 9_007_199_254_740_993n],
    ['<value><boolean>1</boolean></value>', true],
    ['<value><boolean>0</boolean></value>', false],
    ['<value><double>-1.5e3</double></value>', -1500],
    ['<value><string>x</string></value>', 'x'],
    ['<value>x</value>', 'x'],
    ['<value><dateTime.iso8601>19980717T14:08:55</dateTime.iso8601></value>', new XmlRpcDateTime('19980717T14:08:55')],
    ['<value><base64>aGk=</base64></value>', Uint8Array.of(104, 105)],
    ['<value><nil/></value>', null],
    ['<value><nil></nil></value>', null],
    ['<value><ex:nil/></value>', null],
    ['<value><ex:nil xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions"/></value>', null],
    ['<value><array><data><value>a</value><value><int>1</int></value></data></array></value>', ['a', 1]],
    ['<value><struct><member><name>a</name><value>b</value></member></struct></value>', { a: 'b' }],
  ])('of every type is read: %s', (document, value) => {
    expect(readValue(document)).toEqual(value);
  });

  it.each<[string, XmlRpcValue]>([
    ['<value/>', ''],
    ['<value></value>', ''],
    ['<value><string/></value>', ''],
    ['<value><string /></value>', ''],
    ['<value><base64/></value>', new Uint8Array()],
    ['<value><struct/></value>', {}],
    ['<value><array><data/></array></value>', []],
    ['<value><struct><member><name/><value/></member></struct></value>', { '': '' }],
  ])('may be empty: %s', (document, value) => {
    expect(readValue(document)).toEqual(value);
  });

  it.each([
    '<value/>text',
    '<value><string/>text</value>',
    '<value><base64/>aGk=</value>',
    '<value><struct/><member><name>a</name><value/></member></value>',
    '<value><struct/><member><name/><value/></member></struct></value>',
    '<value><array><data/><value/></data></array></value>',
    '<value><nil/></nil></value>',
  ])('has nothing in it when its tag is closed at once: %s', document => {
    expect(refusalOfValue(document)).toMatch(/found|text between elements/);
  });

  it('keeps the blanks of a string, and of text without a type', () => {
    expect(readValue('<value><string> a\n\tb </string></value>')).toBe(' a\n\tb ');
    expect(readValue('<value> a </value>')).toBe(' a ');
    expect(readValue('<value>\n  </value>')).toBe('\n  ');
  });

  it('ignores blanks around a type element and between elements', () => {
    const document = `<value>
      <struct>
        <member>
          <name>a</name>
          <value> <int> 1 </int> </value>
        </member>
      </struct>
    </value>`;
    expect(readValue(document)).toEqual({ a: 1 });
  });

  it('keeps blanks of member names, which tell members apart', () => {
    const document =
      '<value><struct><member><name> a</name><value>1</value></member><member><name>a</name><value>2</value></member></struct></value>';
    expect(readValue(document)).toEqual({ ' a': '1', a: '2' });
  });

  it.each([
    ['<value>a<int>1</int></value>', 'text beside a type element'],
    ['<value><int>1</int>a</value>', 'text between elements'],
    ['<value>&#160;<int>1</int></value>', 'text beside a type element'],
    ['<value><int>1</int><int>2</int></value>', 'found <int>; </value> is needed'],
    ['<value><float>1</float></value>', 'a tag is none of XML-RPC; a type of XML-RPC is needed'],
    ['<value><INT>1</INT></value>', 'a tag is none of XML-RPC'],
    ['<value><ex:int>1</ex:int></value>', 'a tag is none of XML-RPC'],
    ['<value><value>a</value></value>', 'found <value>; a type of XML-RPC is needed'],
    ['<value><int/></value>', 'the text of <int> is not of that type'],
    ['<value><int>2147483648</int></value>', 'from -2147483648 to 2147483647'],
    ['<value><i4>1.5</i4></value>', 'the text of <i4> is not of that type'],
    ['<value><i8>9223372036854775808</i8></value>', 'the text of <i8> is not of that type'],
    ['<value><boolean>true</boolean></value>', '1 or 0 is needed'],
    ['<value><double>nan</double></value>', 'a finite decimal number is needed'],
    ['<value><double/></value>', 'a finite decimal number is needed'],
    ['<value><dateTime.iso8601>now</dateTime.iso8601></value>', '19980717T14:08:55'],
    ['<value><base64>aGk</base64></value>', 'base64 with its padding is needed'],
    ['<value><nil>0</nil></value>', 'text between elements'],
    ['<value><int><i4>1</i4></int></value>', 'found <i4>'],
    ['<value><string><b>x</b></string></value>', 'a tag is none of XML-RPC; </string> is needed'],
    ['<value><array/></value>', '<data> is needed'],
    ['<value><array><value/></array></value>', 'found <value>; <data> is needed'],
    ['<value><array><data/><data/></array></value>', 'found <data>; </array> is needed'],
    ['<value><array><data><int>1</int></data></array></value>', 'found <int>; </data> is needed'],
  ])('is refused when it is none: %s', (document, reason) => {
    expect(() => refusalOfValue(document)).not.toThrow();
    expect(refusalOfValue(document)).toContain(reason);
  });

  it('never has its text in the message, which might be a password', () => {
    const documents = [
      '<value><int>hunter2</int></value>',
      '<value>hunter2<int>1</int></value>',
      '<value><int>1</int>hunter2</value>',
      '<value><string>hunter2&hunter2;</string></value>',
      '<value><hunter2/></value>',
      '<value><struct><member><name>hunter2</name></member></struct></value>',
    ];
    for (const document of documents) expect(refusalOfValue(document)).not.toContain('hunter2');
  });
});

describe('a struct', () => {
  it('has members named __proto__, constructor and prototype as plain data', () => {
    const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
    const members = names.map(
      name =>
        `<member><name>${name}</name><value><struct><member><name>polluted</name><value>yes</value></member></struct></value></member>`,
    );
    const struct = readValue(`<value><struct>${members.join('')}</struct></value>`) as object;
    expect(Object.getPrototypeOf(struct)).toBeNull();
    expect(Object.keys(struct)).toEqual(names);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect('polluted' in {}).toBe(false);
  });

  it.each([
    ['a member without a value', '<member><name>a</name></member>', 'found </member>; <value> is needed'],
    [
      'a member with two values',
      '<member><name>a</name><value>1</value><value>2</value></member>',
      'found <value>; </member> is needed',
    ],
    ['a member with two names', '<member><name>a</name><name>b</name><value>1</value></member>', '<value> is needed'],
    ['a member without a name', '<member><value>1</value></member>', 'found <value>; <name> is needed'],
    ['a value before the name', '<member><value>1</value><name>a</name></member>', '<name> is needed'],
    ['an empty member', '<member/>', '<name> is needed'],
    ['a member without <member>', '<name>a</name><value>1</value>', 'found <name>; </struct> is needed'],
    [
      'the same member twice',
      '<member><name>a</name><value>1</value></member><member><name>&#97;</name><value/></member>',
      'the struct has that member already',
    ],
    [
      '__proto__ twice',
      '<member><name>__proto__</name><value>1</value></member><member><name>__proto__</name><value/></member>',
      'the struct has that member already',
    ],
  ])('is refused with %s', (_, members, reason) => {
    expect(refusalOfValue(`<value><struct>${members}</struct></value>`)).toContain(reason);
  });
});

describe('the limits', () => {
  it('refuse a document that is nested deeper, and take one that is as deep', () => {
    const bounds = { depth: 3, values: 100 };
    expect(readValue(nested(3), bounds)).toEqual([[[]]]);
    expect(refusalOfValue(nested(4), bounds)).toContain('nested too deep; at most 3 levels');
  });

  it('count structs as well as arrays', () => {
    const inner = '<value><array><data><value/></data></array></value>';
    const document = `<value><struct><member><name>a</name>${inner}</member></struct></value>`;
    expect(readValue(document, { depth: 2, values: 100 })).toEqual({ a: [''] });
    expect(refusalOfValue(document, { depth: 1, values: 100 })).toContain('nested too deep');
  });

  it('refuse a thousand levels whatever the settings say, and hold the deepest that they allow', () => {
    const bounds = { depth: 1_000_000, values: 1_000_000 };
    expect(refusalOfValue(nested(1_000), bounds)).toContain('at most 256 levels');
    expect(refusalOfValue(nested(100_000), bounds)).toContain('at most 256 levels');
    expect(JSON.stringify(readValue(nested(256), bounds))).toBe('['.repeat(256) + ']'.repeat(256));
  });

  it('refuse a document with more values, and take one with as many', () => {
    const items = (count: number) => `<value><array><data>${'<value/>'.repeat(count)}</data></array></value>`;
    const bounds = { depth: 3, values: 10 };
    expect(readValue(items(9), bounds)).toHaveLength(9);
    expect(refusalOfValue(items(10), bounds)).toContain('too many values; at most 10');
  });
});

describe('a method response', () => {
  const response = (content: string) => `<methodResponse>${content}</methodResponse>`;
  const fault = (members: string) => response(`<fault><value><struct>${members}</struct></value></fault>`);
  const member = (name: string, value: string) => `<member><name>${name}</name><value>${value}</value></member>`;

  it('gives its value', () => {
    expect(readMethodResponse(response('<params><param><value>ok</value></param></params>'), limits)).toEqual({
      value: 'ok',
    });
  });

  it('gives its fault', () => {
    const document = fault(member('faultCode', '<int>4</int>') + member('faultString', 'Too many parameters.'));
    expect(readMethodResponse(document, limits)).toEqual({ fault: { code: 4, message: 'Too many parameters.' } });
  });

  it.each([
    response(''),
    response('<params/>'),
    response('<params><param/></params>'),
    response('<params><param><value/></param><param><value/></param></params>'),
    response('<fault/>'),
    response('<fault><value/></fault>'),
    response('<fault><value><nil/></value></fault>'),
    response('<fault><value><array><data/></array></value></fault>'),
    fault(''),
    fault(member('faultCode', '<int>4</int>')),
    fault(member('faultString', 'x')),
    fault(member('faultCode', '4') + member('faultString', 'x')),
    fault(member('faultCode', '<double>4.5</double>') + member('faultString', 'x')),
    fault(member('faultCode', '<int>4</int>') + member('faultString', '<int>5</int>')),
    `<methodCall><methodName>echo</methodName></methodCall>`,
    `${response('<params><param><value/></param></params>')}x`,
    `${fault(member('faultCode', '<int>4</int>') + member('faultString', 'x'))}<x/>`,
  ])('is refused when it is none: %s', document => {
    const failure = failureOf(() => readMethodResponse(document, limits));
    expect(failure.code).toBe('MALFORMED');
    expect(failure.message).toMatch(/^read method response at line 1, column \d+: .+; .+/);
  });
});
