import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createLog } from '../../../src/host/log.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { Authenticator } from '../../../src/wire/authentication.ts';
import { CredentialFile, setPassword } from '../../../src/wire/credential-file.ts';
import { isPasswordOf, withPassword } from '../../../src/wire/password-file.ts';
import { cheapHash } from '../../support/cheap-hash.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

interface Place {
  readonly path: string;
  readonly file: CredentialFile;
  /** Everything that was logged. */
  readonly log: () => string;
}

function place(text?: string, mode = 0o600): Place {
  const path = join(temporaryDirectory(), 'passwd');
  if (text !== undefined) {
    writeFileSync(path, text);
    chmodSync(path, mode);
  }
  let lines = '';
  const log = createLog('info', [{ write: line => (lines += line) }]);
  return { path, file: new CredentialFile(path, log), log: () => lines };
}

const one = withPassword('', 'admin', cheapHash('secret'));
const two = withPassword(one, 'viewer', cheapHash('other'), 'read');

const isPassword = (file: CredentialFile, user: string, password: string): Promise<boolean> =>
  isPasswordOf(Buffer.from(password), file.users().get(user)!.hash);

describe('the password file', () => {
  it('gives its users once it is loaded, and tells those who want to know', () => {
    const { file } = place(two);
    const changed = vi.fn();
    file.onChange(changed);
    expect(file.users().size).toBe(0);
    file.load();
    expect([...file.users().keys()]).toEqual(['admin', 'viewer']);
    expect(changed).toHaveBeenCalledOnce();
  });

  it('must be there, or nobody could log in', () => {
    const { file, path } = place();
    expect(() => file.load()).toThrow(
      expect.objectContaining({
        code: 'BAD_CONFIG',
        message: `${path}: there is no such file, so nobody could log in; "ovs-agent passwd" makes it`,
      }),
    );
  });

  it.each([
    ['its group can read', 0o640],
    ['others can read', 0o604],
    ['its group can write', 0o620],
    ['others can write', 0o602],
  ])('is refused when %s, with what to do', (_who, mode) => {
    const { file, path } = place(one, mode);
    expect(() => file.load()).toThrow(
      expect.objectContaining({
        code: 'BAD_CONFIG',
        message: `${path}: others can read or write it; run "chmod 600 ${path}"`,
      }),
    );
    expect(file.users().size).toBe(0);
  });

  it('that is broken is refused with file and line, and leaves the users as they were', () => {
    const { file, path } = place(one);
    file.load();
    const changed = vi.fn();
    file.onChange(changed);
    writeFileSync(path, `${one}nonsense\n`);
    expect(() => file.load()).toThrow(
      expect.objectContaining({ code: 'BAD_CONFIG', message: expect.stringContaining(`${path}: line 2: `) as string }),
    );
    expect([...file.users().keys()]).toEqual(['admin']);
    expect(changed).not.toHaveBeenCalled();
  });
});

describe('a password file that is watched', () => {
  function watched(text: string): Place {
    const made = place(text);
    made.file.load();
    const watcher = made.file.watch();
    onTestFinished(() => watcher.close());
    return made;
  }

  it('is read again when another program replaced it, and again after that', async () => {
    const { file, log, path } = watched(one);
    for (const [text, size] of [
      [two, 2],
      [one, 1],
    ] as const) {
      writeFileSync(`${path}.new`, text, { mode: 0o600 });
      renameSync(`${path}.new`, path);
      await waitUntil('it is read again', () => file.users().size === size);
    }
    expect(log()).toContain('the password file was read again');
  });

  it('is read again when an editor wrote into it', async () => {
    const { file, path } = watched(one);
    writeFileSync(path, two);
    await waitUntil('it is read again', () => file.users().size === 2);
  });

  it.each([
    ['was broken', (path: string) => writeFileSync(path, 'nonsense\n')],
    ['was opened to others', (path: string) => chmodSync(path, 0o644)],
    ['went away', (path: string) => rmSync(path)],
  ])('that %s leaves the users as they were, and says so in the log', async (_what, spoil) => {
    const { file, log, path } = watched(one);
    spoil(path);
    await waitUntil('it is said', () => log().includes('the password file cannot be read'));
    expect([...file.users().keys()]).toEqual(['admin']);
    writeFileSync(path, two);
    chmodSync(path, 0o600);
    await waitUntil('it is read again', () => file.users().size === 2);
  });

  it('ends what was let in before, at the next call', async () => {
    const { file, path } = watched(one);
    const authenticator = new Authenticator({
      ...{ users: () => file.users(), clock: systemClock, failureDelayMs: 0, failureDelayLimitMs: 0 },
      ...{ cacheEntries: 10, cacheTimeMs: 60_000 },
    });
    file.onChange(() => authenticator.forgetAll());
    const header = `Basic ${Buffer.from('admin:secret').toString('base64')}`;
    expect(await authenticator.authenticate(header, '10.1.1.1')).toMatchObject({ ok: true });
    expect(authenticator.authenticate(header, '10.1.1.1')).toMatchObject({ ok: true });
    writeFileSync(path, withPassword(two, 'admin', cheapHash('changed')));
    await waitUntil('it is read again', () => file.users().size === 2);
    expect(await authenticator.authenticate(header, '10.1.1.1')).toEqual({ ok: false, reason: 'wrong' });
  });
});

describe('a user who changes the own password', () => {
  it('has the new one at once, in the file and in the agent, and nobody else has another', async () => {
    const { file, path } = place(two);
    file.load();
    const changed = vi.fn();
    file.onChange(changed);
    await file.update('viewer', 'other', 'ne:w');
    expect(await isPassword(file, 'viewer', 'ne:w')).toBe(true);
    expect(await isPassword(file, 'viewer', 'other')).toBe(false);
    expect(await isPassword(file, 'admin', 'secret')).toBe(true);
    expect(file.users().get('viewer')?.role).toBe('read');
    expect(changed).toHaveBeenCalledOnce();
    expect(readFileSync(path, 'utf8').split('\n')[0]).toBe(one.trim());
    expect(readFileSync(path, 'utf8')).not.toContain('ne:w');
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['the old one is wrong', 'admin', 'guess'],
    ['there is no such user', 'root', 'secret'],
    ['the name is one that every object has', '__proto__', 'secret'],
  ])('is refused when %s, with one message for all, and nothing changes', async (_what, user, old) => {
    const { file, path } = place(one);
    file.load();
    await expect(file.update(user, old, 'new')).rejects.toMatchObject({
      code: 'DENIED',
      message: `password of "${user}": the user or the old password is wrong; nothing was changed`,
    });
    expect(readFileSync(path, 'utf8')).toBe(one);
  });

  it('may not have one that cannot be used, and keeps the old', async () => {
    const { file, path } = place(one);
    file.load();
    await expect(file.update('admin', 'secret', '')).rejects.toMatchObject({ code: 'BAD_VALUE' });
    expect(readFileSync(path, 'utf8')).toBe(one);
    expect(await isPassword(file, 'admin', 'secret')).toBe(true);
  });

  it('does not undo what another program wrote to the file meanwhile', async () => {
    const { file, path } = place(one);
    file.load();
    writeFileSync(path, two);
    await file.update('admin', 'secret', 'new');
    expect([...file.users().keys()]).toEqual(['admin', 'viewer']);
  });
});

describe('setting a password', () => {
  it('makes the file, closed to others, that the agent then loads', async () => {
    const { file, path } = place();
    await setPassword(path, 'admin', 'se:cret');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(path, '..'))).toEqual(['passwd']);
    file.load();
    expect(file.users().get('admin')?.role).toBe('admin');
    expect(await isPassword(file, 'admin', 'se:cret')).toBe(true);
  });

  it('adds a user with a role', async () => {
    const { file, path } = place(one);
    await setPassword(path, 'oracle', 'x', 'operate');
    file.load();
    expect(file.users().get('oracle')?.role).toBe('operate');
    expect(await isPassword(file, 'admin', 'secret')).toBe(true);
  });

  it('makes no file for a name or a password that cannot be used', async () => {
    const { path } = place();
    await expect(setPassword(path, 'a:b', 'x')).rejects.toMatchObject({ code: 'BAD_VALUE' });
    await expect(setPassword(path, 'admin', 'a\nb')).rejects.toMatchObject({ code: 'BAD_VALUE' });
    expect(existsSync(path)).toBe(false);
  });

  it('does not close a file again that others may have read, which would hide it', async () => {
    const { path } = place(one, 0o644);
    await expect(setPassword(path, 'admin', 'x')).rejects.toMatchObject({ code: 'BAD_CONFIG' });
    expect(readFileSync(path, 'utf8')).toBe(one);
    expect(statSync(path).mode & 0o777).toBe(0o644);
  });

  it('does not write over a file that is broken, and says which and where', async () => {
    const { path } = place('nonsense\n');
    await expect(setPassword(path, 'admin', 'x')).rejects.toMatchObject({
      code: 'BAD_CONFIG',
      message: expect.stringContaining(`${path}: line 1: `) as string,
    });
    expect(readFileSync(path, 'utf8')).toBe('nonsense\n');
  });
});
