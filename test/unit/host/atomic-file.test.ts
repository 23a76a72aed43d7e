import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { makePrivateDirectory, writeFileAtomically } from '../../../src/host/atomic-file.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const modeOf = (path: string): number => statSync(path).mode & 0o777;

function withUmask(mask: number): void {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
}

describe('a file that is written atomically', () => {
  it('holds the text or the bytes, and nothing is left beside it', () => {
    const directory = temporaryDirectory();
    const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => index % 251);
    writeFileAtomically(join(directory, 'text'), 'größer\n', 0o600);
    writeFileAtomically(join(directory, 'bytes'), bytes, 0o600);
    expect(readFileSync(join(directory, 'text'), 'utf8')).toBe('größer\n');
    expect(readFileSync(join(directory, 'bytes')).equals(bytes)).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(['bytes', 'text']);
  });

  it.each([
    [0o600, 0o000],
    [0o644, 0o077],
    [0o640, 0o022],
  ])('has mode %o under any umask, such as %o', (mode, mask) => {
    withUmask(mask);
    const file = join(temporaryDirectory(), 'file');
    writeFileAtomically(file, 'x', mode);
    expect(modeOf(file)).toBe(mode);
  });

  it('takes its mode anew when it was open to others before', () => {
    const file = join(temporaryDirectory(), 'file');
    writeFileSync(file, 'old');
    chmodSync(file, 0o666);
    writeFileAtomically(file, 'new', 0o600);
    expect(modeOf(file)).toBe(0o600);
  });

  it('is another file than before: whoever has the old one open keeps all of it', () => {
    const directory = temporaryDirectory();
    const file = join(directory, 'file');
    writeFileSync(file, 'the old text');
    linkSync(file, join(directory, 'reader'));
    writeFileAtomically(file, 'new', 0o600);
    expect(readFileSync(join(directory, 'reader'), 'utf8')).toBe('the old text');
    expect(readFileSync(file, 'utf8')).toBe('new');
  });

  it('takes the place of a symbolic link and does not write through it', () => {
    const directory = temporaryDirectory();
    const target = join(directory, 'target');
    writeFileSync(target, 'of somebody else');
    symlinkSync(target, join(directory, 'file'));
    writeFileAtomically(join(directory, 'file'), 'ours', 0o600);
    expect(readFileSync(target, 'utf8')).toBe('of somebody else');
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('ours');
  });

  it('leaves nothing behind when its place cannot be taken', () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, 'file', 'kept'), { recursive: true });
    expect(() => writeFileAtomically(join(directory, 'file'), 'x', 0o600)).toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(readdirSync(directory)).toEqual(['file']);
    expect(existsSync(join(directory, 'file', 'kept'))).toBe(true);
  });

  it('is not made in a directory that is not there', () => {
    expect(() => writeFileAtomically(join(temporaryDirectory(), 'none', 'file'), 'x', 0o600)).toThrow(/ENOENT/);
  });
});

describe('a private directory', () => {
  it('is made with those above it, all closed to others under any umask', () => {
    withUmask(0);
    const directory = temporaryDirectory();
    makePrivateDirectory(join(directory, 'one', 'two'));
    expect([modeOf(join(directory, 'one')), modeOf(join(directory, 'one', 'two'))]).toEqual([0o700, 0o700]);
  });

  it('is closed when it was open to others, and keeps what is in it', () => {
    const directory = join(temporaryDirectory(), 'open');
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    writeFileSync(join(directory, 'file'), 'x');
    makePrivateDirectory(directory);
    expect(modeOf(directory)).toBe(0o700);
    expect(readdirSync(directory)).toEqual(['file']);
  });
});
