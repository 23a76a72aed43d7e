import { describe, expect, it } from 'vitest';
import { readMethodResponse } from '../../../src/xmlrpc/reader.ts';
import { XmlRpcDateTime, type XmlRpcValue } from '../../../src/xmlrpc/values.ts';
import { writeFault, writeMethodCall, writeMethodResponse } from '../../../src/xmlrpc/writer.ts';
import { failureOf } from '../../support/failure-of.ts';

/** What stands inside the `<value>` of a response. */
function written(value: XmlRpcValue): string | undefined {
  return /^<\?xml version='1.0'\?>\n<methodResponse>\n<params>\n<param>\n<value>([^]*)<\/value>\n<\/param>\n<\/params>\n<\/methodResponse>\n$/.exec(
    writeMethodResponse(value),
  )?.[1];
}

function nested(depth: number): XmlRpcValue {
  let value: XmlRpcValue = 'x';
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

describe('a response', () => {
  it('has the layout of Python', () => {
    expect(writeMethodResponse({ name: 'a', ids: [1, true] })).toBe(`<?xml version='1.0'?>
<methodResponse>
<params>
<param>
<value><struct>
<member>
<name>name</name>
<value><string>a</string></value>
</member>
<member>
<name>ids</name>
<value><array><data>
<value><int>1</int></value>
<value><boolean>1</boolean></value>
</data></array></value>
</member>
</struct></value>
</param>
</params>
</methodResponse>
`);
  });

  it.each<[XmlRpcValue, string]>([
    ['', '<string></string>'],
    ['a "b" \'c\'', '<string>a "b" \'c\'</string>'],
    ['<a>&amp;]]>', '<string>&lt;a&gt;&amp;amp;]]&gt;</string>'],
    [0, '<int>0</int>'],
    [-0, '<int>0</int>'],
    [2_147_483_647, '<int>2147483647</int>'],
    [-2_147_483_648, '<int>-2147483648</int>'],
    [2_147_483_648, '<double>2147483648.0</double>'],
    [-2_147_483_649, '<double>-2147483649.0</double>'],
    [0.5, '<double>0.5</double>'],
    [1e21, '<double>1000000000000000000000.0</double>'],
    [1e-7, '<double>0.0000001</double>'],
    [5n, '<int>5</int>'],
    [true, '<boolean>1</boolean>'],
    [false, '<boolean>0</boolean>'],
    [new XmlRpcDateTime('19980717T14:08:55'), '<dateTime.iso8601>19980717T14:08:55</dateTime.iso8601>'],
    [Buffer.from('xxhixx').subarray(2, 4), '<base64>aGk=</base64>'],
    [[], '<array><data>\n</data></array>'],
    [{}, '<struct>\n</struct>'],
  ])('with %o is written', (value, text) => {
    expect(written(value)).toBe(text);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['null in a struct', { a: [null] }],
    ['an integer of more than 32 bits', 2n ** 31n],
    ['a number that is none', Number.NaN],
    ['infinity', Number.NEGATIVE_INFINITY],
    ['undefined', undefined],
    ['an undefined member', { a: undefined }],
    ['a function', () => 1],
    ['a Date', new Date(0)],
    ['a Map', new Map([['a', 1]])],
    ['a time of another form', new XmlRpcDateTime('1998-07-17T14:08:55')],
    ['a time with markup', new XmlRpcDateTime('</value>')],
    ['257 levels', nested(257)],
  ])('with %s cannot be written', (_, value) => {
    const failure = failureOf(() => writeMethodResponse(value as XmlRpcValue));
    expect(failure.code).toBe('INTERNAL');
    expect(failure.message).toMatch(/^write XML-RPC document: there is .+; a value of XML-RPC is needed$/);
  });

  it('that refers to itself cannot be written, and ends', () => {
    const endless: XmlRpcValue[] = [];
    endless.push(endless);
    expect(failureOf(() => writeMethodResponse(endless)).code).toBe('INTERNAL');
  });

  it('may be nested as deep as the reader reads', () => {
    const document = writeMethodResponse(nested(256));
    expect(readMethodResponse(document, { depth: 256, values: 1_000 })).toEqual({ value: nested(256) });
  });

  it.each(['\u0000', '\u0008', '\u000b', '\u001f', '\ufffe', '\uffff', '\ud800', '\udfff'])(
    'has U+FFFD in place of %j, in texts and in names',
    character => {
      const document = writeMethodResponse({ [`n${character}`]: `a${character}b` });
      expect(readMethodResponse(document, { depth: 9, values: 9 })).toEqual({ value: { 'n\ufffd': 'a\ufffdb' } });
    },
  );

  it('keeps whole surrogate pairs, tabs, line ends and carriage returns', () => {
    const text = '\u{1f600}\t\n\r\r\n\u{10ffff}<\ud83d>';
    const expected = '\u{1f600}\t\n\r\r\n\u{10ffff}<\ufffd>';
    expect(readMethodResponse(writeMethodResponse(text), { depth: 9, values: 9 })).toEqual({ value: expected });
  });

  it('has members named __proto__ and constructor as data', () => {
    const value = JSON.parse('{"__proto__":"a","constructor":"b"}') as XmlRpcValue;
    expect(written(value)).toContain('<name>__proto__</name>\n<value><string>a</string></value>');
    expect(written(value)).toContain('<name>constructor</name>\n<value><string>b</string></value>');
  });
});

describe('a fault', () => {
  it('has the layout of Python', () => {
    expect(writeFault(-32_601, 'method "x" is not supported')).toBe(`<?xml version='1.0'?>
<methodResponse>
<fault>
<value><struct>
<member>
<name>faultCode</name>
<value><int>-32601</int></value>
</member>
<member>
<name>faultString</name>
<value><string>method "x" is not supported</string></value>
</member>
</struct></value>
</fault>
</methodResponse>
`);
  });

  it('is read back, whatever its text holds', () => {
    const document = writeFault(1, '</string>\u0000&');
    expect(readMethodResponse(document, { depth: 9, values: 9 })).toEqual({
      fault: { code: 1, message: '</string>\ufffd&' },
    });
  });

  it.each([1.5, 2 ** 31, Number.NaN])('cannot have the code %d', code => {
    expect(failureOf(() => writeFault(code, 'x')).code).toBe('INTERNAL');
  });
});

describe('a call', () => {
  it('has the layout of Python', () => {
    expect(writeMethodCall('echo', ['a', 1])).toBe(`<?xml version='1.0'?>
<methodCall>
<methodName>echo</methodName>
<params>
<param>
<value><string>a</string></value>
</param>
<param>
<value><int>1</int></value>
</param>
</params>
</methodCall>
`);
  });

  it('has nil and i8 only when asked for', () => {
    expect(writeMethodCall('echo', [null, 2n ** 40n], { extensions: true })).toContain(
      '<value><nil/></value>\n</param>\n<param>\n<value><i8>1099511627776</i8></value>',
    );
    expect(failureOf(() => writeMethodCall('echo', [null])).message).toContain('nil');
    expect(failureOf(() => writeMethodCall('echo', [2n ** 40n])).message).toContain('more than 32 bits');
    expect(failureOf(() => writeMethodCall('echo', [2n ** 63n], { extensions: true })).message).toContain('64 bits');
  });

  it.each(['', 'a b', '<a>', 'a'.repeat(256)])('cannot have the method name %j', method => {
    const failure = failureOf(() => writeMethodCall(method, []));
    expect(failure.code).toBe('BAD_VALUE');
    expect(failure.message).toBe(
      'write method call: the method name cannot be one; 1 to 255 of A-Z a-z 0-9 _ . : / are needed',
    );
  });
});
