import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hashPassword,
  impossibleHash,
  isPasswordOf,
  parsePasswordFile,
  withPassword,
} from '../../../src/wire/password-file.ts';
import { cheapHash } from '../../support/cheap-hash.ts';

const unpadded = (text: string): string => Buffer.from(text).toString('base64').replace(/=+$/, '');
const salt = unpadded('salt'.repeat(4));
const key = unpadded('the key '.repeat(4));
const hash = `$scrypt$ln=15,r=8,p=1$${salt}$${key}`;

describe('reading a password file', () => {
  it('knows users, their roles and their hashes; comments and empty lines are nobody', () => {
    const users = parsePasswordFile(
      `# Users\n\nadmin:admin:${hash}\n   \nviewer.1:read:$scrypt$ln=10,r=1,p=4$${salt}$${key}\n`,
    );
    expect([...users.values()].map(({ name, role }) => [name, role])).toEqual([
      ['admin', 'admin'],
      ['viewer.1', 'read'],
    ]);
    expect(users.get('admin')?.hash).toEqual({
      logCost: 15,
      blockSize: 8,
      parallelization: 1,
      salt: Buffer.from(salt, 'base64'),
      key: Buffer.from(key, 'base64'),
    });
    expect(users.get('viewer.1')?.hash).toMatchObject({ logCost: 10, blockSize: 1, parallelization: 4 });
  });

  it('reads what an editor left: Windows line ends, blanks around a line, no end of the last line', () => {
    expect([...parsePasswordFile(`admin:admin:${hash}\r\n  oracle:admin:${hash} `).keys()]).toEqual([
      'admin',
      'oracle',
    ]);
  });

  it.each([
    ['a clear password', 'admin:admin:secret', /must have the form user:/],
    ['a hash of crypt(3)', 'admin:admin:$6$salt$hash', /must have the form/],
    ['no role', `admin:${hash}`, /must have the form/],
    ['a role that does not exist', `admin:root:${hash}`, /must have the form/],
    ['a role every object has', `admin:constructor:${hash}`, /must have the form/],
    ['no name', `:admin:${hash}`, /must have the form/],
    ['a name with a blank', `ad min:admin:${hash}`, /must have the form/],
    ['something behind the hash', `admin:admin:${hash} x`, /must have the form/],
    ['a cost that is nothing', `admin:admin:${hash.replace('ln=15', 'ln=1')}`, /cost 1 is outside 10 to 20/],
    ['a cost that takes minutes', `admin:admin:${hash.replace('ln=15', 'ln=30')}`, /cost 30 is outside 10 to 20/],
    ['a block size that takes the memory', `admin:admin:${hash.replace('r=8', 'r=99')}`, /cost 99 is outside 1 to 16/],
    ['no parallelization', `admin:admin:${hash.replace('p=1', 'p=0')}`, /cost 0 is outside 1 to 4/],
    // A hash of no bytes is that of every password.
    ['a hash that was cut to nothing', `admin:admin:$scrypt$ln=15,r=8,p=1$${salt}$a`, /the hash has \d+ bytes, not 32/],
    ['a hash that was cut', `admin:admin:${hash.slice(0, -5)}`, /the hash has \d+ bytes, not 32/],
    ['a salt that was cut', `admin:admin:$scrypt$ln=15,r=8,p=1$c2E$${key}`, /the salt has 2 bytes, not 16/],
  ])('refuses %s and says in which line', (_what, line, message) => {
    const read = (): unknown => parsePasswordFile(`# Users\noracle:admin:${hash}\n${line}\n`);
    expect(read).toThrow(expect.objectContaining({ code: 'BAD_CONFIG' }));
    expect(read).toThrow(/^line 3: /);
    expect(read).toThrow(message);
  });

  it('refuses a user who is there twice, for the one that counts would be a guess', () => {
    expect(() => parsePasswordFile(`admin:read:${hash}\nadmin:admin:${hash}\n`)).toThrow(
      /^line 2: user admin has a line already/,
    );
  });

  it('never shows the hash of a line that it refuses', () => {
    expect(() => parsePasswordFile(`admin:root:${hash}`)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(key) as string }),
    );
  });
});

describe('setting a password', () => {
  const one = cheapHash('one');
  const file = `# Users\nadmin:admin:${hash}\n\noracle:read:${hash}\n`;

  it('makes a file of one line from nothing', () => {
    const text = withPassword('', 'admin', one);
    expect(text).toMatch(/^admin:admin:\$scrypt\$ln=10,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}\n$/);
    expect(parsePasswordFile(text).get('admin')).toEqual({ name: 'admin', role: 'admin', hash: one });
  });

  it('changes one line and leaves the others as they are', () => {
    const text = withPassword(file, 'admin', one);
    expect(text.split('\n').filter((_, index) => index !== 1)).toEqual(
      file.split('\n').filter((_, index) => index !== 1),
    );
    expect(parsePasswordFile(text).get('admin')?.hash).toEqual(one);
  });

  it('adds a new user behind the last line, whether that has an end or not', () => {
    for (const text of [file, file.trimEnd()]) {
      const after = withPassword(text, 'new-one', one, 'operate');
      expect(after.startsWith(file)).toBe(true);
      expect(after.slice(file.length)).toMatch(/^new-one:operate:.*\n$/);
    }
  });

  it('keeps the role of a user, unless it is to be another', () => {
    expect(parsePasswordFile(withPassword(file, 'oracle', one)).get('oracle')?.role).toBe('read');
    expect(parsePasswordFile(withPassword(file, 'oracle', one, 'admin')).get('oracle')?.role).toBe('admin');
  });

  it('does not take a user for another whose name begins as theirs', () => {
    const after = parsePasswordFile(withPassword(`admin2:read:${hash}\n`, 'admin', one));
    expect([...after.keys()]).toEqual(['admin2', 'admin']);
  });

  it('finds the line of a user that has blanks before it', () => {
    const after = withPassword(`  admin:read:${hash}\n`, 'admin', one);
    expect(parsePasswordFile(after).get('admin')).toEqual({ name: 'admin', role: 'read', hash: one });
  });

  it.each(['', 'a:b', 'a b', '-admin', '1st', 'a\nroot', '#admin', 'ädmin', 'x'.repeat(33)])(
    'refuses the name %j, which could not be read again',
    name => {
      expect(() => withPassword(file, name, one)).toThrow(expect.objectContaining({ code: 'BAD_VALUE' }));
    },
  );

  it('does not write to a file that it cannot read', () => {
    expect(() => withPassword('broken\n', 'admin', one)).toThrow(/^line 1: /);
  });

  it('gives back every user and hash that was set, in any order', () => {
    const name = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/);
    const bytes = (length: number): fc.Arbitrary<Buffer> =>
      fc.uint8Array({ minLength: length, maxLength: length }).map(array => Buffer.from(array));
    const change = fc.record({ name, salt: bytes(16), key: bytes(32), role: fc.constantFrom('admin', 'read') });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), changes => {
        let text = '';
        const expected = new Map<string, unknown>();
        for (const { key: derived, name: user, role, salt: random } of changes) {
          const set = { logCost: 15, blockSize: 8, parallelization: 1, salt: random, key: derived };
          text = withPassword(text, user, set, role);
          expected.set(user, { name: user, role, hash: set });
        }
        expect(parsePasswordFile(text)).toEqual(expected);
      }),
    );
  });
});

describe('a password', () => {
  it('is known by its own hash and by no other, and two hashes of it differ', async () => {
    const [first, second] = await Promise.all([hashPassword('se:crét 中'), hashPassword('se:crét 中')]);
    expect(first.key.equals(second.key)).toBe(false);
    expect(first.salt.equals(second.salt)).toBe(false);
    expect(first).toMatchObject({ logCost: 15, blockSize: 8, parallelization: 1 });
    const stored = parsePasswordFile(withPassword('', 'admin', first)).get('admin')!.hash;
    expect(await isPasswordOf(Buffer.from('se:crét 中'), stored)).toBe(true);
    expect(await isPasswordOf(Buffer.from('se:crét'), stored)).toBe(false);
  });

  it('is that of the test vector of RFC 7914, section 12', async () => {
    const vector = {
      logCost: 14,
      blockSize: 8,
      parallelization: 1,
      salt: Buffer.from('SodiumChloride'),
      key: Buffer.from(
        '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2' +
          'd5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887',
        'hex',
      ),
    };
    expect(await isPasswordOf(Buffer.from('pleaseletmein'), vector)).toBe(true);
    expect(await isPasswordOf(Buffer.from('pleaseletmeout'), vector)).toBe(false);
  });

  it.each([
    ['nothing', ''],
    ['more than 1024 bytes', 'é'.repeat(513)],
    ['a line break', 'a\nb'],
    ['a NUL', 'a\0b'],
    ['a delete character', 'a\u007f'],
  ])('may not hold %s', async (_what, password) => {
    await expect(hashPassword(password)).rejects.toMatchObject({ code: 'BAD_VALUE' });
  });

  it('that is refused is not shown', async () => {
    const message = await hashPassword('s3cr3t\n').then(String, String);
    expect(message).not.toContain('s3cr3t');
  });

  it('of nobody is none', async () => {
    const hashes = [impossibleHash(), impossibleHash()];
    expect(hashes[0]!.key.equals(hashes[1]!.key)).toBe(false);
    expect(await isPasswordOf(Buffer.alloc(0), hashes[0]!)).toBe(false);
  });
});
