import { randomBytes } from 'node:crypto';

/** An address of Xen's prefix (guide, 4.4, step 3) that nobody else has, as far as chance goes. */
export function newMac(): string {
  const [first = 0, second = 0, third = 0] = randomBytes(3);
  return ['00', '16', '3e', ...[first & 0x7f, second, third].map(byte => byte.toString(16).padStart(2, '0'))].join(':');
}
