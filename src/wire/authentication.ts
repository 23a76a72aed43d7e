import { hash, randomBytes } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Clock } from '../host/clock.ts';
import type { Access } from '../rpc/call.ts';
import { impossibleHash, isPasswordOf, type User } from './password-file.ts';

export type AuthenticationResult =
  | { readonly ok: true; readonly user: string; readonly role: Access }
  | {
      readonly ok: false;
      readonly reason: 'missing' | 'malformed' | 'wrong' | 'too-many';
      readonly retryAfterMs?: number;
    };

export interface AuthenticatorParts {
  /** The users as they are now. */
  readonly users: () => ReadonlyMap<string, User>;
  readonly clock: Clock;
  /** Delay after the first wrong login from an address; it doubles with each further one. */
  readonly failureDelayMs: number;
  readonly failureDelayLimitMs: number;
  /** Most credentials that are remembered as verified. */
  readonly cacheEntries: number;
  readonly cacheTimeMs: number;
}

interface Verified {
  readonly result: AuthenticationResult;
  readonly until: number;
}

interface Failures {
  count: number;
  /** Before this moment no further login from the address is looked at. */
  notBefore: number;
  waiting: number;
}

const CONCURRENT_VERIFICATIONS = 2;
const LONGEST_QUEUE = 64;
const WAITING_PER_ADDRESS = 8;
const LONGEST_HEADER = 4096;
const REMEMBERED_ADDRESSES = 4096;

/**
 * HTTP Basic authentication (RFC 7617). A verified credential is remembered under a keyed digest, so that the costly
 * hash is paid once and the clear password is kept nowhere. Wrong logins make their address wait, and only it.
 */
export class Authenticator {
  readonly #parts: AuthenticatorParts;
  /** New with each process: digests of one are worth nothing to another. */
  readonly #digestKey = randomBytes(32).toString('base64');
  readonly #verified = new Map<string, Verified>();
  readonly #failures = new Map<string, Failures>();
  readonly #nobody = impossibleHash();
  readonly #queue: (() => void)[] = [];
  #verifying = 0;
  #generation = 0;

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts;
  }

  /** Answers at once for a credential that was verified before; no promise is made on that path. */
  authenticate(header: string | undefined, address: string): AuthenticationResult | Promise<AuthenticationResult> {
    if (header === undefined) return { ok: false, reason: 'missing' };
    if (header.length > LONGEST_HEADER) return { ok: false, reason: 'malformed' };
    const digest = hash('sha256', this.#digestKey + header, 'base64');
    const known = this.#verified.get(digest);
    if (known && known.until > this.#parts.clock.monotonic()) return known.result;
    return this.#verify(header, digest, networkOf(address));
  }

  /** To be called when passwords or users have changed: what was verified before holds no more, at once. */
  forgetAll(): void {
    this.#generation++;
    this.#verified.clear();
  }

  async #verify(header: string, digest: string, address: string): Promise<AuthenticationResult> {
    const credential = decode(header);
    if (!credential) return { ok: false, reason: 'malformed' };
    const refusal = await this.#turnOf(address);
    if (refusal) return refusal;
    const generation = this.#generation;
    const user = this.#parts.users().get(credential.user);
    let isRight: boolean;
    try {
      isRight = await isPasswordOf(credential.password, user?.hash ?? this.#nobody);
    } finally {
      this.#release();
    }
    credential.password.fill(0);
    if (!user || !isRight) {
      this.#failed(address);
      return { ok: false, reason: 'wrong' };
    }
    this.#failures.delete(address);
    const result: AuthenticationResult = { ok: true, user: user.name, role: user.role };
    // A password that was changed while this one was looked at must not be remembered as good, nor let in.
    if (generation !== this.#generation) return this.#verify(header, digest, address);
    this.#remember(digest, result);
    return result;
  }

  /**
   * Waits for as long as earlier failures ask, and for one of the few verifications at a time; refuses where too many
   * wait already. Who gets a turn gives it back by `#release`.
   */
  async #turnOf(address: string): Promise<AuthenticationResult | undefined> {
    const { clock } = this.#parts;
    if (this.#queue.length >= LONGEST_QUEUE) return { ok: false, reason: 'too-many', retryAfterMs: 1000 };
    for (;;) {
      const failures = this.#failures.get(address);
      const waitMs = this.#delayOf(address);
      if (!failures || waitMs <= 0) {
        await this.#acquire();
        // Guesses that were sent side by side wait as well, once the first of them was wrong.
        if (this.#delayOf(address) <= 0) return undefined;
        this.#release();
        continue;
      }
      if (failures.waiting >= WAITING_PER_ADDRESS) return { ok: false, reason: 'too-many', retryAfterMs: waitMs };
      failures.waiting++;
      await clock.sleep(waitMs);
      failures.waiting--;
    }
  }

  #delayOf(address: string): number {
    return (this.#failures.get(address)?.notBefore ?? 0) - this.#parts.clock.monotonic();
  }

  #failed(address: string): void {
    const { clock, failureDelayLimitMs, failureDelayMs } = this.#parts;
    const earlier = this.#failures.get(address);
    const isForgotten = earlier !== undefined && clock.monotonic() > earlier.notBefore + 10 * failureDelayLimitMs;
    const count = isForgotten ? 1 : (earlier?.count ?? 0) + 1;
    const delayMs = Math.min(failureDelayMs * 2 ** Math.min(count - 1, 30), failureDelayLimitMs);
    const failures = earlier ?? { count: 0, notBefore: 0, waiting: 0 };
    failures.count = count;
    failures.notBefore = clock.monotonic() + delayMs;
    this.#failures.delete(address);
    this.#failures.set(address, failures);
    dropOldest(this.#failures, REMEMBERED_ADDRESSES);
  }

  #remember(digest: string, result: AuthenticationResult): void {
    this.#verified.delete(digest);
    this.#verified.set(digest, { result, until: this.#parts.clock.monotonic() + this.#parts.cacheTimeMs });
    dropOldest(this.#verified, this.#parts.cacheEntries);
  }

  /** scrypt takes a core for a while: strangers may not take them all. */
  async #acquire(): Promise<void> {
    if (this.#verifying < CONCURRENT_VERIFICATIONS) this.#verifying++;
    // The turn of the one that ends is handed over, so that nobody slips in between.
    else await new Promise<void>(resolve => this.#queue.push(resolve));
  }

  #release(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#verifying--;
  }
}

function decode(header: string): { readonly user: string; readonly password: Buffer } | undefined {
  const match = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header);
  if (!match) return undefined;
  const bytes = Buffer.from(match[1]!, 'base64');
  const colon = bytes.indexOf(':');
  if (colon < 0) return undefined;
  const password = Buffer.from(bytes.subarray(colon + 1));
  const user = bytes.subarray(0, colon).toString();
  bytes.fill(0);
  return { user, password };
}

/**
 * Whoever has one address of an IPv6 network has all of the last 64 bits. An IPv4-mapped address, in the form that
 * sockets give it, is the IPv4 address.
 */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const mapped = /^::ffff:(\d+\..*)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  const [head = '', tail = ''] = address.split('%')[0]!.split('::');
  const groups = (text: string): string[] => text.split(':').filter(group => group !== '');
  const [front, back] = [groups(head), groups(tail)];
  const missing = address.includes('::') ? 8 - front.length - back.length : 0;
  const all = [...front, ...Array.from({ length: missing }, () => '0'), ...back];
  return all
    .slice(0, 4)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** A Map keeps the order of insertion: its first entry is its oldest. */
function dropOldest(map: Map<string, unknown>, limit: number): void {
  while (map.size > limit) map.delete(map.keys().next().value!);
}
