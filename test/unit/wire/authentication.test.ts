import { describe, expect, it } from 'vitest';
import { type AuthenticationResult, Authenticator, type AuthenticatorParts } from '../../../src/wire/authentication.ts';
import { impossibleHash, isPasswordOf, type User } from '../../../src/wire/password-file.ts';
import { cheapHash } from '../../support/cheap-hash.ts';
import { waitUntil } from '../../support/wait.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const encode = (text: string | Buffer): string => `Basic ${Buffer.from(text).toString('base64')}`;

const good = encode('admin:secret');
const wrong = encode('admin:guess');
const accepted = { ok: true, user: 'admin', role: 'admin' };

const user = (name: string, password: string, role: User['role'] = 'admin'): User => ({
  name,
  role,
  hash: cheapHash(password),
});

const admin = user('admin', 'secret');

class Gate {
  readonly clock = new ManualClock();
  readonly authenticator: Authenticator;
  users = new Map([['admin', admin]]);

  constructor(parts: Partial<AuthenticatorParts> = {}) {
    this.authenticator = new Authenticator({
      users: () => this.users,
      clock: this.clock,
      failureDelayMs: 250,
      failureDelayLimitMs: 2000,
      cacheEntries: 10,
      cacheTimeMs: 60_000,
      ...parts,
    });
  }

  login(header: string | undefined, address = '10.1.1.1'): AuthenticationResult | Promise<AuthenticationResult> {
    return this.authenticator.authenticate(header, address);
  }

  /** The same as a promise in any case. */
  async attempt(header: string, address?: string): Promise<AuthenticationResult> {
    return this.login(header, address);
  }

  /** The answers of logins that wait, for as long as it takes them. */
  async all(attempts: readonly Promise<AuthenticationResult>[]): Promise<AuthenticationResult[]> {
    let isOver = false;
    const answers = Promise.all(attempts).finally(() => {
      isOver = true;
    });
    await waitUntil('all logins are answered', async () => {
      await this.clock.advance(50);
      return isOver;
    });
    return answers;
  }

  /** Fails once more, and tells how long the address had to wait before it was looked at. */
  async waitOf(address = '10.1.1.1', header = wrong): Promise<number> {
    const before = this.clock.monotonic();
    const attempt = this.login(header, address);
    while (this.clock.waiting > 0) await this.clock.advance(1);
    await attempt;
    return this.clock.monotonic() - before;
  }
}

describe('a login', () => {
  it('with the right password lets the user in, with the role of the file', async () => {
    const gate = new Gate();
    gate.users.set('viewer', user('viewer', 'x', 'read'));
    expect(await gate.login(good)).toEqual(accepted);
    expect(await gate.login(encode('viewer:x'))).toEqual({ ok: true, user: 'viewer', role: 'read' });
  });

  it.each([
    ['a colon', 'se:cr:et'],
    ['a colon first', ':secret'],
    ['letters of other scripts', 'пароль 密码'],
    ['1024 bytes', 'x'.repeat(1024)],
  ])('may have a password with %s', async (_what, password) => {
    const gate = new Gate();
    gate.users.set('admin', user('admin', password));
    expect(await gate.login(encode(`admin:${password}`))).toEqual(accepted);
  });

  it.each(['basic', 'BASIC', 'Basic  '])('may write the scheme as %s (RFC 7617, section 2)', async scheme => {
    expect(await new Gate().login(good.replace('Basic', scheme))).toEqual(accepted);
  });

  it.each([
    ['another password', 'admin:guess'],
    ['no password', 'admin:'],
    ['a longer password', 'admin:secret '],
    ['another user', 'root:secret'],
    ['no user', ':secret'],
    ['a name that every object has', '__proto__:secret'],
    ['bytes that are no text', Buffer.from([0x61, 0x3a, 0xff, 0xfe])],
  ])('with %s is wrong', async (_what, credential) => {
    expect(await new Gate().login(encode(credential))).toEqual({ ok: false, reason: 'wrong' });
  });

  it('without a header is asked for one, at once', () => {
    expect(new Gate().login(undefined)).toEqual({ ok: false, reason: 'missing' });
  });

  it.each([
    '',
    'Basic',
    'Basic ',
    'Basic !!!!',
    'Basic YTpi YTpi',
    'Basic YTpi, Basic YTpi',
    'BasicYTpi',
    'Bearer YTpi',
    'Digest username="admin"',
    encode('no-colon'),
    `Basic ${'A'.repeat(5000)}`,
  ])('with the header %j is malformed, which is no guess and costs its address nothing', async header => {
    const gate = new Gate();
    expect(await gate.login(header)).toEqual({ ok: false, reason: 'malformed' });
    expect(await gate.waitOf()).toBe(0);
  });

  it('of a user who does not exist takes the work of one who does', async () => {
    const work = async (act: () => unknown): Promise<number> => {
      const before = process.cpuUsage();
      await act();
      const { user: spent, system } = process.cpuUsage(before);
      return spent + system;
    };
    // Processor time, not the clock on the wall: the machine may be busy with other things.
    const hash = impossibleHash();
    const one = await work(() => isPasswordOf(Buffer.from('x'), hash));
    const two = await work(() => isPasswordOf(Buffer.from('x'), hash));
    const unknown = await work(() => new Gate().login(encode('nobody:x')));
    expect(unknown).toBeGreaterThan(Math.min(one, two) / 2);
  });
});

describe('a verified login', () => {
  it('is answered without a promise the next time, from wherever it comes', async () => {
    const gate = new Gate();
    const first = gate.login(good);
    expect(first).toBeInstanceOf(Promise);
    await first;
    expect(gate.login(good)).toEqual(accepted);
    expect(gate.login(good, '2001:db8::1')).toEqual(accepted);
  });

  it('does not make another password of the same user good', async () => {
    const gate = new Gate();
    await gate.login(good);
    expect(await gate.login(wrong)).toEqual({ ok: false, reason: 'wrong' });
  });

  it('is never one that was wrong', async () => {
    const gate = new Gate();
    await gate.login(wrong);
    expect(gate.login(wrong, '10.1.1.2')).toBeInstanceOf(Promise);
  });

  it('is looked at again after its time', async () => {
    const gate = new Gate();
    await gate.login(good);
    await gate.clock.advance(59_999);
    expect(gate.login(good)).toEqual(accepted);
    await gate.clock.advance(1);
    const again = gate.login(good);
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toEqual(accepted);
    expect(gate.login(good)).toEqual(accepted);
  });

  it('is dropped for a newer one when as many are remembered as may be', async () => {
    const gate = new Gate({ cacheEntries: 2 });
    const headers = ['one', 'two', 'three'].map(name => {
      gate.users.set(name, user(name, 'x'));
      return encode(`${name}:x`);
    });
    for (const header of headers) await gate.login(header);
    expect(headers.map(header => gate.login(header) instanceof Promise)).toEqual([true, false, false]);
  });

  it('is not remembered at all where the cache has no place', async () => {
    const gate = new Gate({ cacheEntries: 0 });
    await gate.login(good);
    const again = gate.login(good);
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toEqual(accepted);
  });
});

describe('a change of passwords', () => {
  it('holds at once: the old one is wrong and the new one is right', async () => {
    const gate = new Gate();
    await gate.login(good);
    gate.users = new Map([['admin', user('admin', 'changed')]]);
    gate.authenticator.forgetAll();
    expect(await gate.login(good)).toEqual({ ok: false, reason: 'wrong' });
    expect(await gate.login(encode('admin:changed'), '10.1.1.2')).toEqual(accepted);
  });

  it('takes a role or a user away at once', async () => {
    const gate = new Gate();
    await gate.login(good);
    gate.users = new Map([['admin', { ...admin, role: 'read' }]]);
    gate.authenticator.forgetAll();
    expect(await gate.login(good)).toEqual({ ...accepted, role: 'read' });
    gate.users = new Map();
    gate.authenticator.forgetAll();
    expect(await gate.login(good)).toEqual({ ok: false, reason: 'wrong' });
  });

  /** The change comes after the hash was looked up and before the work on it is done. */
  function changingDuringVerification(changed: User): { readonly gate: Gate; readonly looks: () => number } {
    let looks = 0;
    const gate: Gate = new Gate({
      users() {
        looks += 1;
        if (looks === 1) {
          queueMicrotask(() => {
            gate.users = new Map([['admin', changed]]);
            gate.authenticator.forgetAll();
          });
        }
        return gate.users;
      },
    });
    return { gate, looks: () => looks };
  }

  it('during a verification neither lets the old password in nor remembers it', async () => {
    const { gate, looks } = changingDuringVerification(user('admin', 'changed'));
    expect(await gate.login(good)).toEqual({ ok: false, reason: 'wrong' });
    expect(looks()).toBe(2);
    const again = gate.login(good, '10.1.1.2');
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toEqual({ ok: false, reason: 'wrong' });
  });

  it('of something else during a verification does not turn the right password away', async () => {
    const { gate, looks } = changingDuringVerification({ ...admin, role: 'operate' });
    expect(await gate.login(good)).toEqual({ ...accepted, role: 'operate' });
    expect(looks()).toBe(2);
    expect(gate.login(good)).toEqual({ ...accepted, role: 'operate' });
  });
});

describe('wrong logins', () => {
  it('make their address wait, twice as long each time, up to the limit', async () => {
    const gate = new Gate();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 7; attempt += 1) waits.push(await gate.waitOf());
    expect(waits).toEqual([0, 250, 500, 1000, 2000, 2000, 2000]);
  });

  it('make no other address wait', async () => {
    const gate = new Gate();
    for (let attempt = 0; attempt < 4; attempt += 1) await gate.waitOf('10.1.1.1');
    expect(await gate.waitOf('10.1.1.2')).toBe(0);
    expect(await gate.waitOf('2001:db8::1')).toBe(0);
  });

  it('count whatever user they try', async () => {
    const gate = new Gate();
    await gate.waitOf();
    expect(await gate.waitOf('10.1.1.1', encode('viewer:x'))).toBe(250);
    expect(await gate.waitOf()).toBe(500);
  });

  it('do not hold up a verified login from the same address', async () => {
    const gate = new Gate();
    await gate.login(good);
    for (let attempt = 0; attempt < 4; attempt += 1) await gate.waitOf();
    const waiting = gate.login(wrong);
    expect(gate.clock.waiting).toBe(1);
    expect(gate.login(good)).toEqual(accepted);
    await gate.clock.advance(2000);
    await waiting;
  });

  it('are forgiven by a right one, which had to wait as well', async () => {
    const gate = new Gate();
    await gate.waitOf();
    await gate.waitOf();
    expect(await gate.waitOf('10.1.1.1', good)).toBe(500);
    gate.authenticator.forgetAll();
    expect(await gate.waitOf()).toBe(0);
    expect(await gate.waitOf()).toBe(250);
  });

  it('are forgotten after a long quiet time', async () => {
    const gate = new Gate();
    for (let attempt = 0; attempt < 4; attempt += 1) await gate.waitOf();
    await gate.clock.advance(2000 + 20_001);
    expect(await gate.waitOf()).toBe(0);
    expect(await gate.waitOf()).toBe(250);
  });

  it('wait in a short line: the next is told when to come again', async () => {
    const gate = new Gate();
    await gate.waitOf();
    const attempts = Array.from({ length: 8 }, () => gate.attempt(wrong));
    expect(gate.clock.waiting).toBe(8);
    await gate.clock.advance(100);
    expect(await gate.login(wrong)).toEqual({ ok: false, reason: 'too-many', retryAfterMs: 150 });
    expect(await gate.login(good, '10.1.1.2')).toEqual(accepted);
    expect(await gate.all(attempts)).toEqual(attempts.map(() => ({ ok: false, reason: 'wrong' })));
  });

  it('that are sent side by side wait as well, once the first of them was wrong', async () => {
    const gate = new Gate();
    const attempts = Array.from({ length: 6 }, () => gate.attempt(wrong));
    expect(await gate.all(attempts)).toEqual(attempts.map(() => ({ ok: false, reason: 'wrong' })));
    // Two were looked at together; each pair of the others had to wait for longer than the one before.
    expect(gate.clock.monotonic()).toBeGreaterThanOrEqual(500);
  });

  it('do not wait where no delay is set', async () => {
    const gate = new Gate({ failureDelayMs: 0 });
    expect([await gate.waitOf(), await gate.waitOf(), await gate.waitOf()]).toEqual([0, 0, 0]);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:db8:1:2::1', '2001:0DB8:0001:0002:0:0:0:9'],
    ['2001:db8::1', '2001:db8:0:0:1::'],
    ['::1', '::2'],
    ['fe80::1%eth0', 'fe80::2%eth0'],
    ['10.1.1.1', '::ffff:10.1.1.1'],
    ['10.1.1.1', '::FFFF:10.1.1.1'],
  ])('from %s count for %s, which the same person has', async (one, other) => {
    const gate = new Gate();
    await gate.waitOf(one);
    expect(await gate.waitOf(other)).toBe(250);
  });

  it.each([
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['2001:db8:1::1', '2001:db8:1:1::1'],
    ['::1', '0:0:0:1::1'],
    ['10.1.1.1', '10.1.1.11'],
    ['::ffff:10.1.1.1', '::ffff:10.1.1.2'],
    ['::ffff:10.1.1.1', '::1'],
  ])('from %s do not count for %s', async (one, other) => {
    const gate = new Gate();
    await gate.waitOf(one);
    expect(await gate.waitOf(other)).toBe(0);
  });
});

describe('many logins at once', () => {
  it('are turned away beyond a bound, and none of those that wait is lost', async () => {
    const gate = new Gate({ cacheEntries: 0 });
    const attempts = Array.from({ length: 66 }, (_, index) => gate.attempt(good, `10.1.2.${index}`));
    // Lets them queue up; the first hash is done in a later turn.
    for (let step = 0; step < 20; step += 1) await Promise.resolve();
    expect(await gate.login(good, '10.1.3.1')).toEqual({ ok: false, reason: 'too-many', retryAfterMs: 1000 });
    expect(await Promise.all(attempts)).toEqual(attempts.map(() => accepted));
    expect(await gate.login(good, '10.1.3.1')).toEqual(accepted);
  });
});
