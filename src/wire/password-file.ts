import { randomBytes, scrypt, type ScryptOptions, timingSafeEqual } from 'node:crypto';
import { AgentError } from '../errors.ts';
import { type Access, accessLevels } from '../rpc/call.ts';

/** A user of the agent. */
export interface User {
  readonly name: string;
  readonly role: Access;
  readonly hash: PasswordHash;
}

/** A password as scrypt (RFC 7914) keeps it, written in the PHC string format. */
export interface PasswordHash {
  /** Base-2 logarithm of the cost N. */
  readonly logCost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** 69 ms of one core on the machine it was chosen on: a login now and then, and no pleasure for those who guess. */
const COST = { logCost: 15, blockSize: 8, parallelization: 1 } as const;
const KEY_BYTES = 32;
const SALT_BYTES = 16;
const LONGEST_PASSWORD_BYTES = 1024;

const USER_NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/;
const LINE = /^([^:]+):([^:]+):\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/**
 * Reads lines of the form `user:role:$scrypt$ln=15,r=8,p=1$salt$hash`; empty lines and those that begin with `#` are left out.
 * @throws AgentError BAD_CONFIG with the number of the line
 */
export function parsePasswordFile(text: string): ReadonlyMap<string, User> {
  const users = new Map<string, User>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const match = LINE.exec(line.trim());
    const [, name = '', role, logCost, blockSize, parallelization, salt = '', key = ''] = match ?? [];
    const access = accessLevels.find(level => level === role);
    if (!match || !USER_NAME.test(name) || !access) {
      throw lineError(
        index,
        `it must have the form user:${accessLevels.join('|')}:$scrypt$…; "ovs-agent passwd" writes it`,
      );
    }
    if (users.has(name)) throw lineError(index, `user ${name} has a line already; one must go`);
    users.set(name, {
      name,
      role: access,
      hash: {
        // A hostile cost would make each login take minutes.
        logCost: bounded(index, Number(logCost), 10, 20),
        blockSize: bounded(index, Number(blockSize), 1, 16),
        parallelization: bounded(index, Number(parallelization), 1, 4),
        salt: uncut(index, 'salt', salt, SALT_BYTES),
        key: uncut(index, 'hash', key, KEY_BYTES),
      },
    });
  }
  return users;
}

/**
 * The file's text with the password of one user set; other lines stay as they are.
 * @param role of a new user; one that is there keeps its own when it is left out
 */
export function withPassword(text: string, name: string, hash: PasswordHash, role?: Access): string {
  if (!USER_NAME.test(name)) {
    throw new AgentError(
      'BAD_VALUE',
      `user ${JSON.stringify(name)}: a name has up to 32 letters, digits and _ . -, and begins with a letter`,
    );
  }
  const kept = parsePasswordFile(text).get(name)?.role;
  const line = `${name}:${role ?? kept ?? 'admin'}:${formatHash(hash)}`;
  const lines = text.split('\n');
  const index = lines.findIndex(candidate => candidate.trimStart().startsWith(`${name}:`));
  if (index >= 0) lines[index] = line;
  else lines.splice(lines.at(-1) === '' ? -1 : lines.length, 0, line);
  const result = lines.join('\n');
  return result.endsWith('\n') ? result : `${result}\n`;
}

/** @throws AgentError BAD_VALUE when it cannot be a password */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const size = Buffer.byteLength(password);
  if (size === 0 || size > LONGEST_PASSWORD_BYTES || /[\u0000-\u001f\u007f]/.test(password)) {
    throw new AgentError(
      'BAD_VALUE',
      `password: it must have 1 to ${LONGEST_PASSWORD_BYTES} bytes and no control characters`,
    );
  }
  const salt = randomBytes(SALT_BYTES);
  const bytes = Buffer.from(password);
  const key = await derive(bytes, { ...COST, salt, key: Buffer.alloc(KEY_BYTES) });
  bytes.fill(0);
  return { ...COST, salt, key };
}

/** Whether a password is the one of a hash; takes as long when it is not. */
export async function isPasswordOf(password: Buffer, hash: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash), hash.key);
}

/** A hash that no password has: unknown users are looked at as long as known ones. */
export function impossibleHash(): PasswordHash {
  return { ...COST, salt: randomBytes(SALT_BYTES), key: randomBytes(KEY_BYTES) };
}

function derive(password: Buffer, hash: PasswordHash): Promise<Buffer> {
  const options: ScryptOptions = {
    N: 2 ** hash.logCost,
    r: hash.blockSize,
    p: hash.parallelization,
    maxmem: 256 * 2 ** hash.logCost * hash.blockSize,
  };
  return new Promise((resolve, reject) => {
    scrypt(password, hash.salt, hash.key.length, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

function formatHash({ blockSize, key, logCost, parallelization, salt }: PasswordHash): string {
  const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');
  return `$scrypt$ln=${logCost},r=${blockSize},p=${parallelization}$${unpadded(salt)}$${unpadded(key)}`;
}

function bounded(index: number, value: number, least: number, most: number): number {
  if (value < least || value > most) throw lineError(index, `the cost ${value} is outside ${least} to ${most}`);
  return value;
}

/** Of a hash that lost its end every password, or every 256th, would be right. */
function uncut(index: number, what: string, text: string, size: number): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === size) return bytes;
  throw lineError(
    index,
    `the ${what} has ${bytes.length} bytes, not ${size}, as though cut off; remove the line, and set the password with ` +
      '"ovs-agent passwd"',
  );
}

function lineError(index: number, text: string): AgentError {
  return new AgentError('BAD_CONFIG', `line ${index + 1}: ${text}`);
}
