import { describe, expect, it } from 'vitest';
import {
  type DomainRow,
  failureOf as failureOfXl,
  parseDomainList,
  parseInfo,
} from '../../../src/drivers/xen/xl-output.ts';
import { AgentError } from '../../../src/errors.ts';
import { Chance } from '../../properties/chance.ts';
import { failureOf } from '../../support/failure-of.ts';
import { seededRandom } from '../../support/random.ts';
import { listTitle, printedList, printedRow, xlRecording } from '../../support/xl-recordings.ts';

const seed = Number(process.env['FC_SEED'] ?? 20_261_123);
const good = printedRow({ state: '---sc-', reason: 3 });

/** What is read, or undefined where it is refused as what xl of another release prints. */
function read(text: string): readonly DomainRow[] | undefined {
  try {
    return parseDomainList(text);
  } catch (error) {
    expect(error).toBeInstanceOf(AgentError);
    expect((error as AgentError).code).toBe('HYPERVISOR');
    expect((error as AgentError).message.length).toBeLessThan(300);
    return undefined;
  }
}

function replaced(from: RegExp | string, to: string): string {
  const line = good.replace(from, to);
  expect(line).not.toBe(good);
  return line;
}

describe('a list of domains', () => {
  it.each([
    ['blanks', 'a b  c'],
    ['blanks at its begin', '  a'],
    ['tabs', 'a\tb\t'],
    ['control characters', '\x1b[2J\x07\x7f'],
    ['a carriage return', 'a\rb'],
    ['letters of all scripts', 'gäst-日本\u{1f600}'],
    ['all columns of a domain', good.replace(/ +/g, ' ')],
    ['all columns of a domain, laid out', good],
    ['the title', listTitle],
    ['a line separator', 'a\u2028b'],
  ])('may have a name with %s: all the rest is not taken from it', (_what, name) => {
    const uuid = '11111111-2222-3333-4444-555555555555';
    const line = printedRow({ name, id: 77, uuid, memoryMib: 12, vcpus: 3, state: '---s--', reason: 0, seconds: 0 });
    expect(read(printedList(line))).toEqual([
      {
        name: expect.stringMatching(/^/) as string,
        id: 77,
        memoryMib: 12,
        vcpus: 3,
        isPaused: false,
        shutdown: 'poweroff',
        isDying: false,
        processorTimeMs: 0,
        uuid,
      },
    ]);
    expect(read(printedList(line))![0]!.name).toBe(name.trimEnd() === name ? name : name.replace(/ +$/, ''));
  });

  it.each([
    ['a line of nothing', ''],
    ['a line of blanks', ' '.repeat(120)],
    ['a name over two lines', 'a\nb'.padEnd(40) + good.slice(40)],
    ['a line that ends in a carriage return', `${good}\r`],
    ['a NUL among its columns', replaced(' 96', ' 9\x006')],
    ['columns apart by tabs', replaced(/ +/g, '\t')],
    ['one column less', replaced(/ +-$/, '')],
    ['one column more', `${good} hardware`],
    ['a decimal comma', replaced('3.1', '3,1')],
    ['a time without decimals', replaced('3.1', '3')],
    ['a time of two decimals', replaced('3.1', '3.14')],
    ['a time that is no number', replaced('3.1', 'nan')],
    ['a time before all times', replaced('3.1', '-3.1')],
    ['a time with an exponent', replaced('3.1', '3.1e4')],
    ['groups of digits', replaced('   96', '1,096')],
    ['a number below zero', replaced(/ 1 /, '-1 ')],
    ['a number of the domain that is too large', replaced(/ {4}1 /, '100000 ')],
    ['memory that is too large', replaced(' 96', ` ${'9'.repeat(20)}`)],
    ['processors that are too many', replaced(/1 {5}-/, '1000000     -')],
    ['hexadecimal digits where none belong', replaced(' 96', '0x96')],
    ['digits of another script', replaced(' 96', ' ٩٦')],
    ['a state of five letters', replaced('---sc-', '---sc')],
    ['a state with another letter', replaced('---sc-', '---sx-')],
    ['a state in another order', replaced('---sc-', 's----c')],
    ['a reason that is not that of its letter', replaced('---sc-', '---sr-')],
    ['a letter of a reason though it runs', replaced(/---sc-(.*) {7}3 /, '----c-$1       - ')],
    ['a reason though it runs', replaced('---sc-', '------')],
    ['no reason though it ended', replaced(/ {7}3 /, '       - ')],
    ['a reason that is too large', replaced(/ {7}3 /, ' 100000003 ')],
    ['an identity in capital letters', replaced('c213770c', 'C213770C')],
    ['an identity that is cut', replaced('c213770c', 'c213770')],
  ])('is refused with %s', (_what, line) => {
    expect(read(printedList(line))).toBeUndefined();
    expect(read(printedList(printedRow({ id: 2 }), line))).toBeUndefined();
  });

  it.each([
    ['lines that end as those of Windows', printedList(good).replaceAll('\n', '\r\n')],
    ['a mark of the byte order', `\ufeff${printedList(good)}`],
    ['a title in lower case', printedList(good).replace('Name', 'name')],
    ['the title of a later release', printedList(good).replace('Label', 'Label      Capabilities')],
    ['no title', `${good}\n`],
    ['nothing', ''],
    ['an empty line', '\n'],
    ['two titles', `${listTitle}\n${printedList(good)}`],
    ['a warning before it', `WARNING: something\n${printedList(good)}`],
    ['a warning after it', `${printedList(good)}WARNING: something\n`],
  ])('is refused with %s', (_what, text) => {
    expect(read(text)).toBeUndefined();
  });

  it('is refused where two domains have one number, and told which', () => {
    const text = printedList(printedRow({ id: 4 }), printedRow({ id: 5 }), printedRow({ id: 4, name: 'other' }));
    expect(failureOf(() => parseDomainList(text)).message).toContain('two domains have the number 4');
  });

  it('is read right or refused wherever it is cut off', () => {
    const text = printedList(
      printedRow({ name: 'Domain-0', id: 0, state: 'r-----', uuid: '00000000-0000-0000-0000-000000000000' }),
      printedRow({ name: 'a 1 2 3', id: 1, seconds: 123_456.7 }),
      printedRow({ name: '(null)', id: 2, state: '--ps-d', reason: 0, vcpus: 0 }),
      good.replace(/ 1 /, '12 '),
    );
    const whole = parseDomainList(text);
    expect(whole).toHaveLength(4);
    for (let length = 0; length <= text.length; length++) {
      const cut = text.slice(0, length);
      if (length > listTitle.length && cut.endsWith('\n'))
        expect(read(cut)).toEqual(whole.slice(0, cut.split('\n').length - 2));
      else expect(read(cut), `${length} characters`).toBeUndefined();
    }
  });

  it('is never read as something else than what was printed, whatever happens to a character of it', () => {
    const chance = new Chance(seededRandom(seed));
    const text = printedList(good, printedRow({ id: 2 }));
    const [title, ...lines] = text.slice(0, -1).split('\n');
    let refused = 0;
    for (let count = 0; count < 20_000; count++) {
      const line = chance.integer(0, 1);
      const place = chance.integer(0, lines[line]!.length - 1);
      const letter = chance.is(0.5) ? chance.text() : chance.one(Array.from(' -0123456789abcdefsp\t\r\0\n.'));
      const changed = lines[line]!.slice(0, place) + letter + lines[line]!.slice(place + chance.integer(0, 1));
      const rows = read(`${[title, ...lines.with(line, changed)].join('\n')}\n`);
      if (!rows) refused += 1;
      else {
        // What is read is what stands there, and what stood there is read: printed again it is the same.
        const words = changed.trimEnd().split(/ +/).slice(-8);
        const row = rows[line]!;
        expect(rows).toHaveLength(2);
        expect(row, changed).toMatchObject({
          id: Number(words[0]),
          memoryMib: Number(words[1]),
          vcpus: Number(words[2]),
        });
        expect(row.uuid, changed).toBe(words[5]);
        expect(changed.startsWith(row.name), changed).toBe(true);
      }
    }
    expect(refused).toBeGreaterThan(5000);
    expect(refused).toBeLessThan(20_000);
  });

  it('of ten thousand domains is read', () => {
    const rows = Array.from({ length: 10_000 }, (_, id) => printedRow({ id, name: `guest ${id}`, seconds: id }));
    const read10000 = parseDomainList(printedList(...rows));
    expect(read10000).toHaveLength(10_000);
    expect(read10000[9999]).toMatchObject({ id: 9999, name: 'guest 9999', processorTimeMs: 9_999_000 });
  });

  // A reader that goes over a line again for each of its characters would not end while anybody waits.
  it.each([
    ['blanks', ' '],
    ['digits', '1'],
    ['digits and blanks', '1 '],
    ['states', '------ 1.0 '],
    ['rows', `${good} `],
    ['tabs', '\t'],
  ])('is read in time where a line has 10 MB of %s', (_what, piece) => {
    const long = piece.repeat(Math.ceil(10_000_000 / piece.length));
    expect(read(printedList(long))?.length ?? 0).toBeLessThan(2);
    expect(read(printedList(`${long}x`))).toBeUndefined();
    expect(read(long)).toBeUndefined();
    expect(read(`${listTitle}${long}\n`)).toBeUndefined();
    expect(read(printedList(long + good.slice(40)))).toMatchObject([{ id: 1, shutdown: 'crash' }]);
    const info = xlRecording('001-info').stdout;
    for (const key of ['xen_version', 'xen_caps', 'free_memory']) {
      const text = info.replace(new RegExp(`^(${key} +: ).*$`, 'm'), `$1${long}!`);
      expect(failureOf(() => parseInfo(text))).toMatchObject({ code: 'HYPERVISOR' });
    }
    expect(parseInfo(`${long}\n${info}`)).toEqual(parseInfo(info));
  });
});

describe('the reason for a failure of xl', () => {
  it('holds no control characters, whatever xl was made to say', () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    const control = /[\u0000-\u001f\u007f-\u009f]/;
    const all = Array.from({ length: 0x2100 }, (_, code) => String.fromCharCode(code)).join('');
    const said = failureOfXl(`libxl: error: libxl_exec.c:1:f: script: \x1b]0;x\x07 Could not \x9b31m find\r\n${all}`);
    expect(said).not.toMatch(control);
    expect(said).toMatch(/^script:/);
    const chance = new Chance(seededRandom(seed));
    for (let count = 0; count < 5000; count++) {
      const text = chance.times(
        0,
        6,
        () => `${chance.one(['libxl: error: a.c:1:f: ', 'xc: error: ', ''])}${chance.text()}`,
      );
      expect(failureOfXl(text.join('\n'))).not.toMatch(control);
    }
  });

  it('is bounded, and is well formed where it is cut', () => {
    for (let shift = 0; shift < 4; shift++) {
      const long = `${'x'.repeat(shift)}${'\u{1f600}'.repeat(10_000)}\n`;
      for (const place of ['', `libxl: error: ${'x'.repeat(850)}.c:1:f: `]) {
        const said = failureOfXl(['a', 'b', 'c'].map(letter => place + letter + long).join(''));
        expect(said.length).toBeGreaterThan(100);
        expect(said.length).toBeLessThanOrEqual(500);
        expect(Buffer.from(said).toString()).toBe(said);
      }
    }
  });

  it('is told once where it was said many times, and of many the first three', () => {
    expect(failureOfXl('it broke\n'.repeat(1000))).toBe('it broke');
    expect(failureOfXl('one\ntwo\nthree\nfour\n')).toBe('one; two; three');
  });

  it('is found in time in a long line', () => {
    // Many times what is looked at all, with what does not fit at the end of it.
    for (const piece of [
      '.',
      ' ',
      '. ',
      'unable to add ',
      'libxl: error: ',
      'Domain 1:',
      ' (1 = x',
      'a.c:',
      ': Internal error',
    ])
      for (let count = 0; count < 50; count++)
        expect(failureOfXl(`${piece.repeat(60_000 / piece.length)}x\n`.repeat(20)).length).toBeLessThanOrEqual(500);
  });

  it('is nothing where nothing is said', () => {
    for (const text of ['', '\n', ' \n\t\n', '\0']) expect(failureOfXl(text)).toBe('');
  });
});
