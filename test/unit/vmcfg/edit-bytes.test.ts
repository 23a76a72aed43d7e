import { describe, expect, it } from 'vitest';
import { editGuestFile } from '../../../src/vmcfg/editor.ts';
import { GuestFileError } from '../../../src/vmcfg/reader.ts';
import { failureOf } from '../../support/failure-of.ts';
import { type Edit, insert, remove, set } from './edits.ts';
import { facts64, paravirtualFile } from './guest-files.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');

/** The bytes after an edit, each as one character. */
function edited(bytes: Uint8Array, edit: Edit): string {
  return Buffer.from(editGuestFile(bytes, facts64, edit)).toString('latin1');
}

describe('the bytes of a guest file', () => {
  it.each<[string, Buffer]>([
    ['the guide', Buffer.from(paravirtualFile)],
    ['UTF-8 with a byte-order mark and CR LF', Buffer.from('\ufeff# é\r\na = 1\r\n')],
    ['Latin-1', latin1("# \xe9\xff\na = '\xe9'")],
    ['no bytes', Buffer.alloc(0)],
  ])('are the same when nothing is edited: %s', (_what, bytes) => {
    expect(edited(bytes, () => undefined)).toBe(bytes.toString('latin1'));
  });

  it('stay Latin-1', () => {
    expect(edited(latin1("# \xe9\r\na = 'x'\r\n"), set('a', 'ü'))).toBe("# \xe9\r\na = '\xfc'\r\n");
    expect(edited(latin1("# \xe9\na = ['\xe4']"), insert('a', 'ÿ'))).toBe("# \xe9\na = ['\xe4', '\xff']");
  });

  it('stay UTF-8, with the byte-order mark', () => {
    expect(edited(Buffer.from("\ufeffa = 'é'\n"), set('a', '日'))).toBe(
      Buffer.from("\ufeffa = '日'\n").toString('latin1'),
    );
  });

  it('become UTF-8 where they were ASCII', () => {
    expect(edited(latin1("a = 'x'\n"), set('a', 'é'))).toBe("a = '\xc3\xa9'\n");
  });

  it('may become ASCII', () => {
    expect(edited(latin1("a = '\xe9'\nb = 1\n"), remove('a'))).toBe('b = 1\n');
  });

  it.each<[string, Buffer, Edit, RegExp]>([
    ['Latin-1 lacks a character', latin1("a = '\xe9'\n"), set('b', '日'), /in Latin-1, which cannot hold its new text/],
    [
      'Latin-1 would turn into UTF-8',
      latin1("a = '\xe9'\nb = '\xc3\xa9'\n"),
      set('a', 'e'),
      /in Latin-1, which cannot hold its new text/,
    ],
    ['UTF-8 lacks half a pair', latin1('a = 1\n'), set('a', '\ud83d'), /half a surrogate pair/],
  ])('are refused where %s', (_what, bytes, edit, message) => {
    const failure = failureOf(() => editGuestFile(bytes, facts64, edit));
    expect(failure.code).toBe('BAD_CONFIG');
    expect(failure.message).toMatch(/^[^;]+; [^;]+$/);
    expect(failure.message).toMatch(message);
  });

  it('are refused where they cannot be read', () => {
    expect(failureOf(() => editGuestFile(latin1('a = \n'), facts64, () => undefined))).toBeInstanceOf(GuestFileError);
  });

  it('are refused with what an edit throws', () => {
    const failure = new RangeError('another');
    expect(() =>
      editGuestFile(latin1('a = 1\n'), facts64, editor => {
        editor.set('a', 2);
        throw failure;
      }),
    ).toThrow(failure);
  });
});
