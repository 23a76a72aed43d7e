import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RotatingFile } from '../../../src/host/rotating-file.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

function open(maximumBytes: number, kept: number, directory = temporaryDirectory()): RotatingFile {
  const file = new RotatingFile(join(directory, 'log'), maximumBytes, kept);
  onTestFinished(() => file.close());
  return file;
}

/** The texts, the newest first; undefined where there is no such file. */
const texts = ({ path }: RotatingFile, count: number): (string | undefined)[] =>
  Array.from({ length: count }, (_, age) => (age === 0 ? path : `${path}.${age}`)).map(name =>
    existsSync(name) ? readFileSync(name, 'utf8') : undefined,
  );

describe('a rotating log file', () => {
  it('has each line on the disk as soon as it was written', () => {
    const file = open(1000, 2);
    file.write('one\n');
    expect(texts(file, 2)).toEqual(['one\n', undefined]);
    file.write('zwölf\n');
    expect(texts(file, 2)).toEqual(['one\nzwölf\n', undefined]);
  });

  it('is for its owner alone, the new ones too', () => {
    const file = open(4, 1);
    file.write('one\n');
    file.write('two\n');
    expect([file.path, `${file.path}.1`].map(name => statSync(name).mode & 0o777)).toEqual([0o600, 0o600]);
  });

  it('takes nothing after it was closed, and writes to no file that has its number since', () => {
    const directory = temporaryDirectory();
    const file = new RotatingFile(join(directory, 'log'), 1000, 1);
    file.write('one\n');
    file.close();
    const other = new RotatingFile(join(directory, 'other'), 1000, 1);
    onTestFinished(() => other.close());
    file.write('two\n');
    expect([texts(file, 1), texts(other, 1)]).toEqual([['one\n'], ['']]);
  });

  it('begins anew before the line that would not fit, at exactly its size', () => {
    const file = open(8, 3);
    for (const line of ['one\n', 'two\n', 'six\n']) file.write(line);
    expect(texts(file, 3)).toEqual(['six\n', 'one\ntwo\n', undefined]);
  });

  it('counts bytes and not letters', () => {
    const file = open(8, 3);
    file.write('ööö\n');
    file.write('a\n');
    expect(texts(file, 2)).toEqual(['a\n', 'ööö\n']);
  });

  it('drops the oldest when as many are kept as it may keep', () => {
    const file = open(4, 2);
    for (const line of ['1st\n', '2nd\n', '3rd\n', '4th\n']) file.write(line);
    expect(texts(file, 4)).toEqual(['4th\n', '3rd\n', '2nd\n', undefined]);
  });

  it('keeps only the newest when no full one is kept', () => {
    const file = open(4, 0);
    for (const line of ['1st\n', '2nd\n']) file.write(line);
    expect(texts(file, 2)).toEqual(['2nd\n', undefined]);
  });

  it('does not cut a line that is longer than a whole file', () => {
    const file = open(4, 3);
    for (const line of ['a\n', 'much too long\n', 'b\n']) file.write(line);
    expect(texts(file, 4)).toEqual(['b\n', 'much too long\n', 'a\n', undefined]);
  });

  it('goes on behind what an earlier process wrote, and counts it', () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'log'), 'before\n');
    const file = open(12, 1, directory);
    file.write('one\n');
    expect(texts(file, 2)).toEqual(['before\none\n', undefined]);
    file.write('two\n');
    expect(texts(file, 2)).toEqual(['two\n', 'before\none\n']);
  });

  it('is opened anew after another program moved it away', () => {
    const file = open(8, 2);
    file.write('one\n');
    renameSync(file.path, `${file.path}.moved`);
    file.write('two\n');
    expect(readFileSync(`${file.path}.moved`, 'utf8')).toBe('one\ntwo\n');
    file.reopen();
    file.write('three\n');
    expect(texts(file, 2)).toEqual(['three\n', undefined]);
    expect(readFileSync(`${file.path}.moved`, 'utf8')).toBe('one\ntwo\n');
  });

  it('still knows how full it is when it is opened anew and nothing was moved', () => {
    const file = open(8, 2);
    file.write('one\n');
    file.write('two\n');
    file.reopen();
    file.write('three\n');
    expect(texts(file, 2)).toEqual(['three\n', 'one\ntwo\n']);
  });

  it('goes on when the full file vanished under it', () => {
    const file = open(4, 2);
    file.write('one\n');
    renameSync(file.path, `${file.path}.elsewhere`);
    file.write('two\n');
    expect(texts(file, 2)).toEqual(['two\n', undefined]);
  });

  it('holds no more files open after many rotations than after none', () => {
    const openFiles = (): number => readdirSync('/proc/self/fd').length;
    const file = open(1, 1);
    const before = openFiles();
    for (let line = 0; line < 50; line += 1) file.write('x\n');
    expect(openFiles()).toBe(before);
  });

  it('loses and splits no line while enough files are kept, and none grows beyond its size', () => {
    const line = fc.stringMatching(/^[a-zé]{0,12}$/).map(text => `${text}\n`);
    fc.assert(
      fc.property(fc.array(line, { maxLength: 20 }), fc.integer({ min: 25, max: 60 }), (lines, maximumBytes) => {
        const file = open(maximumBytes, lines.length);
        for (const each of lines) file.write(each);
        const written = texts(file, lines.length + 1).filter(text => text !== undefined);
        expect(written.reverse().join('')).toBe(lines.join(''));
        for (const text of written) {
          expect(Buffer.byteLength(text)).toBeLessThanOrEqual(maximumBytes);
          expect(text).toMatch(/^$|\n$/);
        }
      }),
      { numRuns: 40 },
    );
  });
});
