import { expect, it } from 'vitest';
import { GuestDirectory } from '../../../src/drivers/guest-directory.ts';
import { untilSwitched } from '../../../src/drivers/xen/pausing.ts';
import { XenDomain, type XenNote } from '../../../src/drivers/xen/xen-domain.ts';
import { Xl } from '../../../src/drivers/xen/xl.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { FakeXl, type Letters } from '../../support/fake-xl.ts';
import { demoConfig } from '../../support/guest-config.ts';

const path = parseGuestPath('/OVS/running_pool/a');

it.each<[Letters, 'pause' | 'unpause', string, readonly string[]]>([
  ['-b----', 'pause', 'paused', ['pause 7']],
  ['--p---', 'pause', 'paused', []],
  ['--p---', 'unpause', 'running', ['unpause 7']],
  ['-b----', 'unpause', 'running', []],
  ['---s--', 'pause', 'halted', []],
  ['---sc-', 'unpause', 'crashed', []],
])('a domain that is %s: %s leads to %s', async (letters, act, state, calls) => {
  const fake = new FakeXl();
  const config = demoConfig('a');
  fake.set(7, config.uuid, letters);
  const note: XenNote = {
    path,
    config,
    domainId: 7,
    phase: 'there',
    rebootAsked: false,
    isAltered: false,
    vncPort: undefined,
  };
  const domain = new XenDomain(new GuestDirectory<XenNote>('/nowhere', 'a'), note);
  const xl = new Xl(fake.program, systemClock);
  expect(await untilSwitched(xl, act, domain, domain.rowIn(await xl.list())!)).toBe(state);
  expect(fake.calls).toEqual(calls);
});
