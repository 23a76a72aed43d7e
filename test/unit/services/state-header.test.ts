import { describe, expect, it } from 'vitest';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { type RestoreFacts, type StateHeader, whyNotRestorable } from '../../../src/services/state-header.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const disk = { target: 'xvda', source: '/OVS/a.img', size: 100, modifiedMs: 5 };
const header: StateHeader = {
  agentVersion: '1',
  hypervisor: 'qemu',
  hypervisorVersion: '7.2.22',
  path,
  name: 'guest',
  uuid: 'u',
  configDigest: 'c',
  runId: 'r',
  savedAt: '2026-01-01T00:00:00.000Z',
  memoryMib: 64,
  wasPaused: false,
  payloadBytes: 1,
  checksum: 's',
  disks: [disk],
};
const now: RestoreFacts = {
  path,
  uuid: 'u',
  configDigest: 'c',
  runId: 'r',
  hypervisor: 'qemu',
  hypervisorVersion: '7.2.30',
  disks: [disk, { ...disk, target: 'xvdb' }],
};

describe('a state', () => {
  it('fits the guest that wrote it, on the same release of the same hypervisor', () => {
    expect(whyNotRestorable(header, now)).toBeUndefined();
  });

  it('fits where it is not known which run was the last', () => {
    expect(whyNotRestorable(header, { ...now, runId: undefined })).toBeUndefined();
  });

  it.each<[string, Partial<RestoreFacts>, RegExp]>([
    ['another guest', { uuid: 'v' }, /^it is of another guest/],
    ['a guest elsewhere', { path: parseGuestPath('/OVS/running_pool/other') }, /^it is of another guest/],
    ['another configuration', { configDigest: 'd' }, /another configuration/],
    ['a later run', { runId: 's' }, /^it is outdated: the guest has run since 2026/],
    ['another release', { hypervisorVersion: '8.0.0' }, /^qemu 7\.2\.22 wrote it, and here is qemu 8\.0\.0/],
    ['another hypervisor', { hypervisor: 'xen' }, /and here is xen/],
    ['a disk that was written to', { disks: [{ ...disk, modifiedMs: 6 }] }, /^it is outdated: disk xvda/],
    ['a disk of another size', { disks: [{ ...disk, size: 101 }] }, /^it is outdated: disk xvda/],
    ['a disk that is gone', { disks: [] }, /^it is outdated: disk xvda/],
  ])('does not fit %s, and the reason is said', (_what, changes, reason) => {
    expect(whyNotRestorable(header, { ...now, ...changes })).toMatch(reason);
  });
});
