import { randomBytes, scryptSync } from 'node:crypto';
import type { PasswordHash } from '../../src/wire/password-file.ts';

/** A hash of the least cost that the password file takes: 1 ms in place of 70, for tests of other things than cost. */
export function cheapHash(password: string): PasswordHash {
  const cost = { logCost: 10, blockSize: 8, parallelization: 1 };
  const salt = randomBytes(16);
  return { ...cost, salt, key: scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 }) };
}
