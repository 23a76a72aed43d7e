import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { failureReply, isFailure, pairsReply } from '../../../src/xmlrpc/reply.ts';

/** A reply as clients of 2.x read it. */
function asClient(reply: string): Record<string, string> {
  return Object.fromEntries(
    reply
      .slice(8)
      .split(';')
      .map(pair => {
        const equals = pair.indexOf('=');
        return [pair.slice(0, equals), pair.slice(equals + 1)];
      }),
  );
}

describe('a reply of release 2.x', () => {
  it('has the literal texts of the guide', () => {
    expect(pairsReply({ echo: 'hello' })).toBe('success:echo=hello');
    expect(pairsReply({ ip: '10.1.1.1' }, '=')).toBe('success=ip=10.1.1.1');
    expect(pairsReply({})).toBe('success');
  });

  it('is read by clients as it was meant', () => {
    expect(asClient(pairsReply({ vif0: 'mac=a,bridge=b', n: 4, on: true, many: ['/a', '/b'] }))).toEqual({
      vif0: 'mac=a,bridge=b',
      n: '4',
      on: 'true',
      many: '/a,/b',
    });
    expect(asClient(pairsReply({ ip: '10.1.1.1' }, '='))).toEqual({ ip: '10.1.1.1' });
  });

  it('refuses what clients would take for a separator', () => {
    expect(() => pairsReply({ echo: 'a;b=c' })).toThrow(/holds ";", which separates values in a reply; it must not/);
    expect(() => pairsReply({ vdisks: ['/a,b'] })).toThrow(/holds ","/);
  });

  it('of an act that failed never holds the word success, in any case', () => {
    const reply = failureReply(new AgentError('EXISTS', 'guest "Success": SUCCESS and success'));
    expect(reply).toBe('failed:EXISTS: guest "Suc-cess": SUC-CESS and suc-cess');
    expect(isFailure(reply)).toBe(true);
    expect(isFailure('success:echo=failed:x')).toBe(false);
  });
});
