import { PassThrough, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { GuestDirectory } from '../../../src/drivers/guest-directory.ts';
import { saveDomain } from '../../../src/drivers/xen/state-stream.ts';
import { XenDomain, type XenNote } from '../../../src/drivers/xen/xen-domain.ts';
import { Xl } from '../../../src/drivers/xen/xl.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { FakeXl } from '../../support/fake-xl.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const path = parseGuestPath('/OVS/running_pool/a');
const note: XenNote = {
  path,
  config: demoConfig('a'),
  domainId: 7,
  phase: 'there',
  rebootAsked: false,
  isAltered: false,
  vncPort: undefined,
};

/** xl begins to write a moment after it was started. */
function save(sink: Writable, signal?: AbortSignal): Promise<void> {
  const place = new GuestDirectory<XenNote>(temporaryDirectory(), GuestDirectory.idOf(path));
  place.prepare(note);
  const xl = new Xl(new FakeXl().program, systemClock);
  return saveDomain(xl, new XenDomain(place, note), sink, systemClock, { signal });
}

describe('the state of a domain', () => {
  it('comes as xl writes it, to its last byte', async () => {
    let bytes = 0;
    const sink = new PassThrough();
    sink.on('data', (part: Buffer) => (bytes += part.length));
    await save(sink);
    expect(bytes).toBe(3_000_000);
  });

  // In each of these xl would wait for ever for somebody who reads.
  it('is given up before xl has begun', async () => {
    await expect(save(new PassThrough(), AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' });
    const giving = new AbortController();
    const saving = save(new PassThrough(), giving.signal);
    setImmediate(() => giving.abort());
    await expect(saving).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('ends with its reason where it cannot be written from the first', async () => {
    const broken = new Writable({ construct: done => done(new Error('no room')) });
    await expect(save(broken)).rejects.toThrow('no room');
  });
});
