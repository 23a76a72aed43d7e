import { readFileSync, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { AgentError } from '../errors.ts';
import { writeFileAtomically } from '../host/atomic-file.ts';
import type { Log } from '../host/log.ts';
import type { Access } from '../rpc/call.ts';
import { hashPassword, isPasswordOf, parsePasswordFile, type User, withPassword } from './password-file.ts';

const MODE = 0o600;

/** The file with the users of the agent. */
export class CredentialFile {
  readonly #path: string;
  readonly #log: Log;
  readonly #onChange: (() => void)[] = [];
  #users: ReadonlyMap<string, User> = new Map();

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  users(): ReadonlyMap<string, User> {
    return this.#users;
  }

  onChange(listener: () => void): void {
    this.#onChange.push(listener);
  }

  /** @throws AgentError BAD_CONFIG when the file is missing, open to others, or cannot be read */
  load(): void {
    this.#users = readUsers(this.#path);
    for (const listener of this.#onChange) listener();
  }

  /** Loads the file again whenever another program has changed it; a broken one leaves the users as they are. */
  watch(): { close(): void } {
    // The directory, because a file that is written anew is another file.
    return watch(dirname(this.#path), (_event, name) => {
      if (name !== basename(this.#path)) return;
      try {
        this.load();
        this.#log.info({ users: this.#users.size }, 'the password file was read again');
      } catch (error) {
        this.#log.error({ err: error }, 'the password file cannot be read; the users stay as they were');
      }
    });
  }

  /** @throws AgentError DENIED when the old password is wrong, BAD_VALUE when the new one cannot be used */
  async update(user: string, oldPassword: string, newPassword: string): Promise<void> {
    const known = this.#users.get(user);
    if (!known || !(await isPasswordOf(Buffer.from(oldPassword), known.hash))) {
      throw new AgentError(
        'DENIED',
        `password of ${JSON.stringify(user)}: the user or the old password is wrong; nothing was changed`,
      );
    }
    await setPassword(this.#path, user, newPassword);
    this.load();
  }
}

/** @throws AgentError BAD_CONFIG when the file is missing, open to others, or cannot be read */
export function readUsers(path: string): ReadonlyMap<string, User> {
  const text = readPrivateFile(path);
  return naming(path, () => parsePasswordFile(text));
}

/**
 * Sets the password of a user, who is made when new; the file too.
 * @throws AgentError BAD_VALUE, BAD_CONFIG
 */
export async function setPassword(path: string, user: string, password: string, role?: Access): Promise<void> {
  const hash = await hashPassword(password);
  const isThere = statSync(path, { throwIfNoEntry: false }) !== undefined;
  const text = isThere ? readPrivateFile(path) : '# Users of ovs-agent; "ovs-agent passwd" changes this file.\n';
  const changed = naming(path, () => withPassword(text, user, hash, role));
  writeFileAtomically(path, changed, MODE);
}

/** What is wrong with a line is told with the file that it stands in. */
function naming<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof AgentError && error.code === 'BAD_CONFIG') {
      throw new AgentError(error.code, `${path}: ${error.message}`);
    }
    throw error;
  }
}

/** Hashes that others can read can be guessed at leisure (CVE-2010-3584). */
function readPrivateFile(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    throw new AgentError(
      'BAD_CONFIG',
      `${path}: there is no such file, so nobody could log in; "ovs-agent passwd" makes it`,
    );
  }
  if ((found.mode & 0o077) !== 0) {
    throw new AgentError('BAD_CONFIG', `${path}: others can read or write it; run "chmod 600 ${path}"`);
  }
  return readFileSync(path, 'utf8');
}
