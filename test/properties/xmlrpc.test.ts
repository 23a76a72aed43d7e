import { deepStrictEqual } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentError } from '../../src/errors.ts';
import { decodeDocument } from '../../src/xmlrpc/decode.ts';
import { type MethodCall, readMethodCall, readMethodResponse } from '../../src/xmlrpc/reader.ts';
import { isStruct, XmlRpcDateTime, type XmlRpcLimits, type XmlRpcValue } from '../../src/xmlrpc/values.ts';
import { writeFault, writeMethodCall, writeMethodResponse } from '../../src/xmlrpc/writer.ts';

/** Fixed, so that a failure is the change's; another one explores. */
const seed = Number(process.env['FC_SEED'] ?? 20_100_208);
const limits: XmlRpcLimits = { depth: 64, values: 10_000 };

const forbiddenCharacter = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/gu;
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('<', '>', '&', ';', '#', ']', ' ', '\n', '\r', '\t', 'a', "'", '"', 'é', '日', '\u{1f600}'),
  }),
  fc.string(),
);
const text = anyText.map(value => value.replace(forbiddenCharacter, '?'));
const memberName = fc.oneof(
  text,
  fc.constantFrom('__proto__', 'constructor', 'prototype', 'toString', '0', '4294967295', ''),
);
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map(value => value + 0);
const inexactInt64 = fc
  .bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  .filter(value => !Number.isSafeInteger(Number(value)));
const dateTime = fc
  .tuple(
    fc.integer({ min: 1, max: 9999 }),
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 1, max: 28 }),
    fc.integer({ min: 0, max: 23 }),
    fc.integer({ min: 0, max: 59 }),
    fc.integer({ min: 0, max: 59 }),
  )
  .map(([year, month, day, hour, minute, second]) => {
    const digits = (value: number, width = 2) => String(value).padStart(width, '0');
    return new XmlRpcDateTime(
      `${digits(year, 4)}${digits(month)}${digits(day)}T${digits(hour)}:${digits(minute)}:${digits(second)}`,
    );
  });
const bytes = fc.uint8Array();

/** Values of the given simple ones and of arrays and structs of them. */
function valuesOf(simple: fc.Arbitrary<XmlRpcValue>, name: fc.Arbitrary<string>): fc.Arbitrary<XmlRpcValue> {
  return fc.letrec<{ value: XmlRpcValue }>(tie => ({
    value: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      simple,
      fc.array(tie('value'), { maxLength: 5 }),
      fc.uniqueArray(fc.tuple(name, tie('value')), { maxLength: 5, selector: ([key]) => key }).map(members => {
        const struct = Object.create(null) as Record<string, XmlRpcValue>;
        for (const [key, value] of members) struct[key] = value;
        return struct;
      }),
    ),
  })).value;
}

const replyValue = valuesOf(fc.oneof(text, int32, finite, fc.boolean(), dateTime, bytes), memberName);
const requestValue = valuesOf(
  fc.oneof(text, int32, finite, fc.boolean(), dateTime, bytes, inexactInt64, fc.constant(null)),
  memberName,
);
const requestParams = fc.array(requestValue, { maxLength: 4 });

/** XML 1.0 section 2.2, production 2. */
function isLegal(code: number): boolean {
  return (
    [0x9, 0xa, 0xd].includes(code) ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    code >= 0x10000
  );
}

/** The call, or the refusal, which is of the one kind that it may be. */
function readOrRefusal(read: () => MethodCall): MethodCall | AgentError {
  try {
    return read();
  } catch (error) {
    if (error instanceof AgentError && error.code === 'MALFORMED') return error;
    throw error;
  }
}

describe('what is written', () => {
  it('reads as the same call', () => {
    fc.assert(
      fc.property(requestParams, params => {
        const document = writeMethodCall('echo', params, { extensions: true });
        deepStrictEqual(readMethodCall(document, limits), { method: 'echo', params });
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it('reads as the same response, and as bytes', () => {
    fc.assert(
      fc.property(replyValue, value => {
        const document = decodeDocument(Buffer.from(writeMethodResponse(value)));
        deepStrictEqual(readMethodResponse(document, limits), { value });
      }),
      { seed, numRuns: 1_000 },
    );
  });

  it('reads as a response for any text, with U+FFFD for what XML does not allow', () => {
    const units = fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd7f0, max: 0xe00f })));
    fc.assert(
      fc.property(units, codes => {
        const value = String.fromCharCode(...codes);
        const expected = Array.from(value, character =>
          isLegal(character.codePointAt(0)!) ? character : '\ufffd',
        ).join('');
        deepStrictEqual(readMethodResponse(writeMethodResponse(value), limits), { value: expected });
      }),
      { seed, numRuns: 2_000 },
    );
  });
});

/** A document of every habit that is read, for mutations to start from. */
const variedDocument = `<?xml version="1.0" encoding="UTF-8"?>
<!-- first --><?style sheet?>
<methodCall xmlns:ex="http://ws.apache.org/xmlrpc/namespaces/extensions">
  <methodName> a.b </methodName >
  <params>
    <param><value>untyped &lt;&#65;&#x1F600;&gt;</value></param>
    <param><value> <i4> +12 </i4> </value></param>
    <param><value><i8>-9007199254740993</i8></value></param>
    <param><value><boolean>1</boolean></value></param>
    <param><value><double>-1.5e-7</double></value></param>
    <param><value><dateTime.iso8601>1998-07-17T14:08:55</dateTime.iso8601></value></param>
    <param><value><base64>aGVs\nbG8=</base64></value></param>
    <param><value><string>a<![CDATA[<b>]]>c<!-- d -->é</string></value></param>
    <param><value><struct>
      <member><name>list</name><value><array><data><value/><value><nil/></value></data></array></value></member>
      <member><name/><value><string/></value></member>
      <member><name>empty</name><value><struct/></value></member>
    </struct></value></param>
  </params>
</methodCall>`;

const fragments = [
  ...[
    '<',
    '>',
    '&',
    '/',
    '</',
    '/>',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<!DOCTYPE x>',
    '&#x110000;',
    '&#0;',
  ],
  ...['&amp;', '&#', ';', ' ', '\n', '\r\n', '"', "='", '\u0000', '\ufeff', '\uffff', '9999999999', '-', '.', 'e', 'x'],
  ...[
    '<value>',
    '</value>',
    '<value/>',
    '<int>',
    '</int>',
    '<string/>',
    '<struct>',
    '</struct>',
    '<member>',
    '</member>',
  ],
  ...['<name>__proto__</name>', '<methodName>b</methodName>', '<array><data>', '</data></array>', '<nil/>', '<param>'],
].map(fragment => Buffer.from(fragment));

/** What may stand between tags or in a text, so that many a document stays readable. */
const harmlessFragments = [' ', '\n', '\t', '<!-- x -->', '<?x y?>', '<!---->'].map(fragment => Buffer.from(fragment));

interface Edit {
  readonly kind: 'flip' | 'cut' | 'insert' | 'insertAfterTag' | 'copy';
  /** Where, as a fraction of the document. */
  readonly at: number;
  readonly length: number;
  readonly fragment: Buffer;
}

const wildEdit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('flip', 'cut', 'insert', 'insertAfterTag', 'copy'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.nat({ max: 40 }),
  fragment: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...fragments) },

    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 4 }).map(random => Buffer.from(random)) },
  ),
});

const harmlessEdit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constant('insertAfterTag'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  length: fc.constant(0),
  fragment: fc.constantFrom(...harmlessFragments),
});

function edited(document: Buffer, { kind, at, length, fragment }: Edit): Buffer {
  const start = Math.floor(at * document.length);
  const before = document.subarray(0, start);
  const after = document.subarray(start);
  switch (kind) {
    case 'flip': {
      const copy = Buffer.from(document);
      if (start < copy.length) copy[start] = copy[start]! ^ (1 << (length % 8));
      return copy;
    }
    case 'cut':
      return Buffer.concat([before, after.subarray(length)]);
    case 'insert':
      return Buffer.concat([before, fragment, after]);
    case 'insertAfterTag': {
      const tagEnd = document.indexOf('>', start) + 1;
      return Buffer.concat([document.subarray(0, tagEnd), fragment, document.subarray(tagEnd)]);
    }
    case 'copy':
      return Buffer.concat([before, after.subarray(0, length), after]);
  }
}

const mutated = fc
  .tuple(
    fc.oneof(
      { weight: 2, arbitrary: fc.constant(variedDocument) },
      { weight: 1, arbitrary: requestParams.map(params => writeMethodCall('echo', params, { extensions: true })) },
    ),
    fc.oneof(
      fc.array(wildEdit, { minLength: 1, maxLength: 3 }),
      fc.array(harmlessEdit, { minLength: 1, maxLength: 6 }),
      fc.array(fc.oneof(wildEdit, harmlessEdit), { minLength: 1, maxLength: 3 }),
    ),
  )
  .map(([document, edits]) => edits.reduce(edited, Buffer.from(document)));

describe('a document that was tampered with', () => {
  it('is read, or refused as malformed, and soon; what is read can be written and reads the same', () => {
    let read = 0;
    let slowestMs = 0;
    fc.assert(
      fc.property(mutated, document => {
        const start = performance.now();
        const outcome = readOrRefusal(() => readMethodCall(decodeDocument(document), limits));
        slowestMs = Math.max(slowestMs, performance.now() - start);
        if (outcome instanceof AgentError) {
          expect(outcome.message).toMatch(
            /^(read method call at line \d+, column \d+|decode XML document): [^;]+; .+$/,
          );
        } else {
          read += 1;
          const again = writeMethodCall(outcome.method, outcome.params, { extensions: true });
          // The sign of a zero is not kept.
          expect(readMethodCall(again, limits)).toEqual(withoutNegativeZero(outcome));
        }
      }),
      { seed, numRuns: 5_000 },
    );
    expect(read).toBeGreaterThan(500);
    expect(slowestMs).toBeLessThan(1_000);
  });
});

function withoutNegativeZero(call: MethodCall): MethodCall {
  const plain = (value: XmlRpcValue): XmlRpcValue => {
    if (typeof value === 'number') return value + 0;
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null || !isStruct(value)) return value;
    const struct = Object.create(null) as Record<string, XmlRpcValue>;
    for (const name of Object.keys(value)) struct[name] = plain(value[name]!);
    return struct;
  };
  return { method: call.method, params: call.params.map(plain) };
}

/** The reading half of the npm package xmlrpc, which has no types of its own for it. */
interface NpmDeserializer {
  deserializeMethodCall(
    stream: { setEncoding(): void; on(): void; pipe(parser: { write(text: string): void; end(): void }): void },
    done: (error: unknown, method?: string, params?: unknown[]) => void,
  ): void;
}

const require = createRequire(import.meta.url);
const NpmDeserializer = require('xmlrpc/lib/deserializer') as new () => NpmDeserializer;
const npmSerializer = require('xmlrpc/lib/serializer') as {
  serializeMethodCall(method: string, params: readonly unknown[]): string;
};
const npmDates = require('xmlrpc/lib/date_formatter') as { decodeIso8601(text: string): Date };

/** What the npm package makes of a document; undefined when it refuses it or dies of it. */
function npmRead(document: string): { method: string; params: unknown[] } | undefined {
  const outcomes: ({ method: string; params: unknown[] } | undefined)[] = [];
  try {
    new NpmDeserializer().deserializeMethodCall(
      {
        setEncoding: () => undefined,
        on: () => undefined,
        pipe: parser => {
          parser.write(document);
          parser.end();
        },
      },
      (error, method, params) => {
        outcomes.push(error ? undefined : { method: method!, params: params! });
      },
    );
  } catch {
    return undefined;
  }
  return outcomes.includes(undefined) ? undefined : outcomes[0];
}

/** Asserts that both have the same value, as far as the package's types can say it. */
function expectAgreement(ours: XmlRpcValue, theirs: unknown): void {
  if ((typeof ours === 'bigint' || typeof ours === 'number') && typeof theirs === 'string') {
    // An i8 stays a text there.
    expect(BigInt(theirs)).toBe(BigInt(ours));
  } else if (ours instanceof XmlRpcDateTime) {
    expect((theirs as Date).getTime()).toBe(npmDates.decodeIso8601(ours.text).getTime());
  } else if (ours instanceof Uint8Array) {
    expect(Buffer.isBuffer(theirs) && theirs.equals(ours)).toBe(true);
  } else if (Array.isArray(ours)) {
    expect(theirs).toHaveLength(ours.length);
    for (const [index, item] of ours.entries()) expectAgreement(item as XmlRpcValue, (theirs as unknown[])[index]);
  } else if (typeof ours === 'object' && ours !== null) {
    const names = Object.keys(ours);
    // There a member __proto__ changes the struct's prototype, and with it the struct.
    if (names.includes('__proto__')) return;
    expect(Object.keys(theirs as object).sort()).toEqual(names.sort());
    for (const name of names)
      expectAgreement((ours as Record<string, XmlRpcValue>)[name]!, (theirs as Record<string, unknown>)[name]);
  } else {
    expect(theirs).toBe(ours);
  }
}

describe('the npm package xmlrpc', () => {
  it('reads what we write as we meant it', () => {
    fc.assert(
      fc.property(requestParams, params => {
        const theirs = npmRead(writeMethodCall('echo', params, { extensions: true }));
        expect(theirs?.method).toBe('echo');
        expectAgreement(params, theirs?.params);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('writes what we read as it was meant', () => {
    // It writes no empty name, no ]]>, a carriage return as a line feed, and every whole number as an int.
    const plain = text.map(value => value.replaceAll('\r', '').replaceAll(']]>', ''));
    const fraction = finite.filter(value => !Number.isInteger(value));
    const simple = fc.oneof(
      plain,
      int32,
      fraction,
      fc.boolean(),
      fc.constant(null),
      bytes.map(value => Buffer.from(value)),
    );
    const value = valuesOf(
      simple,
      plain.filter(name => name !== ''),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 4 }), params => {
        const ours = readMethodCall(npmSerializer.serializeMethodCall('echo', params), limits);
        expect(ours.method).toBe('echo');
        expectAgreement(ours.params, params);
      }),
      { seed, numRuns: 500 },
    );
  });

  it('agrees with us on every document that both read', () => {
    let both = 0;
    fc.assert(
      fc.property(mutated, document => {
        let decoded: string;
        try {
          decoded = decodeDocument(document);
        } catch {
          return;
        }
        const ours = readOrRefusal(() => readMethodCall(decoded, limits));
        // It leaves line ends as they are.
        if (ours instanceof AgentError || decoded.includes('\r')) return;
        const theirs = npmRead(decoded);
        if (theirs === undefined) return;
        both += 1;
        expect(theirs.method.trim()).toBe(ours.method);
        expectAgreement(ours.params, theirs.params);
      }),
      { seed, numRuns: 3_000 },
    );
    expect(both).toBeGreaterThan(300);
  });
});

/**
 * Reads one JSON array of documents; per document answers what Python sees in it and how Python would write the same.
 */
const pythonProgram = `
import json, sys, xmlrpc.client as client

def described(value):
    if value is None:
        return ['nil']
    if isinstance(value, bool):
        return ['boolean', value]
    if isinstance(value, int):
        return ['integer', str(value)]
    if isinstance(value, float):
        return ['double', repr(value)]
    if isinstance(value, str):
        return ['string', value]
    if isinstance(value, client.Binary):
        return ['base64', value.data.hex()]
    if isinstance(value, client.DateTime):
        return ['dateTime', value.value]
    if isinstance(value, list):
        return ['array', [described(item) for item in value]]
    return ['struct', [[name, described(item)] for name, item in value.items()]]

answers = []
for document in json.load(sys.stdin):
    try:
        params, method = client.loads(document)
    except client.Fault as fault:
        answers.append({'fault': [fault.faultCode, fault.faultString], 'written': client.dumps(fault)})
        continue
    try:
        written = client.dumps(params, method, methodresponse=method is None, allow_none=True)
    except OverflowError:
        written = ''
    answers.append({'method': method, 'params': [described(param) for param in params], 'written': written})
json.dump(answers, sys.stdout)
`;

interface PythonAnswer {
  readonly method?: string | null;
  readonly params?: unknown[];
  readonly fault?: [number, string];
  /** Empty where there is an integer of more than 32 bits, which Python does not write. */
  readonly written: string;
}

function askPython(documents: readonly string[]): PythonAnswer[] {
  const output = execFileSync('python3', ['-c', pythonProgram], {
    input: JSON.stringify(documents),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
  });
  return JSON.parse(output) as PythonAnswer[];
}

/** A value as the program above describes it. Doubles are compared as numbers: Python writes them with other digits. */
function described(value: XmlRpcValue): unknown[] {
  if (value === null) return ['nil'];
  if (typeof value === 'boolean') return ['boolean', value];
  if (typeof value === 'bigint') return ['integer', String(value)];
  if (typeof value === 'number') {
    return Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31
      ? ['integer', String(value)]
      : ['double', value];
  }
  if (typeof value === 'string') return ['string', value];
  if (value instanceof XmlRpcDateTime) return ['dateTime', value.text];
  if (value instanceof Uint8Array) return ['base64', Buffer.from(value).toString('hex')];
  if (isStruct(value)) return ['struct', Object.keys(value).map(name => [name, described(value[name]!)])];
  return ['array', value.map(described)];
}

function withNumbers(description: unknown): unknown {
  if (!Array.isArray(description)) return description;
  if (description[0] === 'double' && typeof description[1] === 'string') return ['double', Number(description[1])];
  return description.map(withNumbers);
}

describe("Python's xmlrpc.client", () => {
  it('reads our calls as we meant them', () => {
    const samples = fc.sample(requestParams, { seed, numRuns: 400 });
    const answers = askPython(samples.map(params => writeMethodCall('echo', params, { extensions: true })));
    for (const [index, params] of samples.entries()) {
      expect(answers[index]!.method).toBe('echo');
      expect(withNumbers(answers[index]!.params)).toEqual(params.map(described));
    }
  });

  it('writes the same bytes as we do, and what we read as it was meant', () => {
    // It writes a carriage return as it is, which reads as a line feed, and no integer of more than 32 bits.
    const plain = text.map(value => value.replaceAll('\r', ''));
    const simple = fc.oneof(plain, int32, finite, fc.boolean(), dateTime, bytes, fc.constant(null));
    const samples = fc.sample(fc.array(valuesOf(simple, plain), { maxLength: 4 }), { seed, numRuns: 400 });
    const documents = samples.map(params => writeMethodCall('echo', params, { extensions: true }));
    const answers = askPython(documents);
    let identical = 0;
    for (const [index, params] of samples.entries()) {
      const written = answers[index]!.written;
      expect(readMethodCall(written, limits)).toEqual({ method: 'echo', params });
      // It writes other digits of a double, lines of base64, and no line end after nil.
      if (/<double>|<base64>|<nil\/>/.test(written)) continue;
      identical += 1;
      expect(written).toBe(documents[index]);
    }
    expect(identical).toBeGreaterThan(50);
  });

  it('reads our responses and faults as we meant them, and we read what it writes', () => {
    const values = fc.sample(replyValue, { seed, numRuns: 300 });
    const faults = fc.sample(
      fc.tuple(
        int32,
        text.map(value => value.replaceAll('\r', '')),
      ),
      { seed, numRuns: 100 },
    );
    const answers = askPython([
      ...values.map(writeMethodResponse),
      ...faults.map(([code, message]) => writeFault(code, message)),
    ]);
    for (const [index, value] of values.entries()) {
      expect(withNumbers(answers[index]!.params)).toEqual([described(value)]);
    }
    for (const [index, [code, message]] of faults.entries()) {
      const answer = answers[values.length + index]!;
      expect(answer.fault).toEqual([code, message]);
      expect(answer.written).toBe(writeFault(code, message));
      expect(readMethodResponse(answer.written, limits)).toEqual({ fault: { code, message } });
    }
  });
});
