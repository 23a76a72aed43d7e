import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARRIVED, MigrationReplies, NOT_ARRIVED } from '../../../src/drivers/xen/migration-replies.ts';

const opening = Buffer.from(
  'xl migration receiver ready, send binary domain data.\ndomain received, ready to unpause\0',
);
const banner = opening.subarray(0, 54);

/** Splits bytes at the given places. */
function parts(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...[...cuts].map(cut => cut % bytes.length).sort((left, right) => left - right), bytes.length];
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
}

describe('what a receiver of Xen says', () => {
  it.each([
    ['its copy runs', ARRIVED],
    ['its copy does not run', NOT_ARRIVED],
  ])('is passed on as it came, however it was cut: %s', (_what, verdict) => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { maxLength: 12 }), cuts => {
        const replies = new MigrationReplies();
        const passed = parts(Buffer.concat([opening, verdict]), cuts).map(part => replies.read(part));
        expect(Buffer.concat(passed).equals(Buffer.concat([opening, verdict]))).toBe(true);
        expect(replies.stage).toBe('told');
      }),
    );
  });

  it('is early until the last byte of its being ready, and committed from then on', () => {
    const replies = new MigrationReplies();
    replies.read(banner);
    expect(replies.stage).toBe('early');
    expect(replies.read(opening.subarray(54, -1))).toHaveLength(opening.length - 55);
    expect(replies.stage).toBe('early');
    expect(replies.read(opening.subarray(-1))).toHaveLength(1);
    expect(replies.stage).toBe('committed');
  });

  it('holds a verdict back until it is whole, so that another can take its place', () => {
    for (const verdict of [ARRIVED, NOT_ARRIVED]) {
      for (let length = 1; length < verdict.length; length += 1) {
        const replies = new MigrationReplies();
        replies.read(opening);
        expect(replies.read(verdict.subarray(0, length))).toHaveLength(0);
        expect(replies.stage).toBe('committed');
        expect(replies.decide(true)).toEqual(ARRIVED);
        expect(replies.stage).toBe('told');
      }
    }
  });

  it('a failure keeps the receiver’s own number', () => {
    const replies = new MigrationReplies();
    replies.read(opening);
    const verdict = Buffer.from(NOT_ARRIVED);
    verdict[39] = 7;
    expect(replies.read(verdict)).toEqual(verdict);
  });

  it('ends with its verdict: what comes after is for nobody', () => {
    const replies = new MigrationReplies();
    replies.read(Buffer.concat([opening, ARRIVED]));
    expect(replies.read(Buffer.from('anything'))).toHaveLength(0);
  });

  it('is refused where it is anything else, and never passed on', () => {
    fc.assert(
      fc.property(
        fc.nat(Buffer.concat([opening, NOT_ARRIVED]).length - 1),
        fc.integer({ min: 1, max: 255 }),
        (at, flip) => {
          const said = Buffer.concat([opening, NOT_ARRIVED]);
          // The number of the failure may be any but 0.
          fc.pre(at !== opening.length + 39);
          said[at]! ^= flip;
          const replies = new MigrationReplies();
          let passed = Buffer.alloc(0);
          expect(() => {
            for (const byte of said) passed = Buffer.concat([passed, replies.read(Buffer.from([byte]))]);
          }).toThrow('no receiver of Xen');
          expect(passed.length).toBeLessThanOrEqual(at);
        },
      ),
    );
  });
});
