import type { AuthenticationResult, Authenticator } from '../../src/wire/authentication.ts';

/** One user and password, for tests that are about something else. */
export function fixedLogin(user: string, password: string): Pick<Authenticator, 'authenticate'> {
  const good = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return {
    authenticate(header): AuthenticationResult {
      if (header === undefined) return { ok: false, reason: 'missing' };
      return header === good ? { ok: true, user, role: 'admin' } : { ok: false, reason: 'wrong' };
    },
  };
}
