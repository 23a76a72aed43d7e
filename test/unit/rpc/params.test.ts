import { describe, expect, it } from 'vitest';
import type { AgentError } from '../../../src/errors.ts';
import { moment } from '../../../src/rpc/params.ts';
import { XmlRpcDateTime, type XmlRpcValue } from '../../../src/xmlrpc/values.ts';

describe('a moment', () => {
  const noon = Date.UTC(2026, 0, 31, 12);

  it.each<[string, XmlRpcValue, number]>([
    ['ISO 8601', '2026-01-31T12:00:00Z', noon],
    ['what the agent itself writes', '2026-01-31T12:00:00.500Z', noon + 500],
    ['a time with a zone', '2026-01-31T13:00:00+01:00', noon],
    ['one without a zone, which is UTC', '2026-01-31T12:00', noon],
    ['a blank in the middle', '2026-01-31 12:00:00', noon],
    ['a day', '2026-01-31', noon - 12 * 3_600_000],
    ['a dateTime.iso8601', new XmlRpcDateTime('20260131T12:00:00'), noon],
    ['seconds since 1970', noon / 1000, noon],
    ['the same as text', String(noon / 1000), noon],
    ['the beginning', 0, 0],
  ])('is read from %s', (_what, given, expected) => {
    expect(moment('When').parse(given, 'from')).toBe(expected);
  });

  it.each<[XmlRpcValue]>([
    ['yesterday'],
    ['2026-13-31T12:00:00Z'],
    ['2026-01-31T25:00:00Z'],
    ['2026-01-31T12:00:00Z; rm'],
    ['12:00'],
    [''],
    [-1],
    [1e15],
    ['1'.repeat(12)],
  ])('is not read from %j', given => {
    expect(() => moment('When').parse(given, 'from')).toThrow(/^argument from: .* is no /);
  });

  it('of another type is a mistake in the call', () => {
    for (const given of [true, [], {}, null]) {
      expect(() => moment('When').parse(given, 'from')).toThrow(
        expect.objectContaining({ code: 'WRONG_PARAMETERS' }) as AgentError,
      );
    }
  });
});
