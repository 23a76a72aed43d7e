import { beforeEach, describe, expect, it } from 'vitest';
import { DiskErrors } from '../../../src/drivers/qemu/disk-errors.ts';

const failed = (node: string, changes: Record<string, unknown> = {}) => ({
  event: 'BLOCK_IO_ERROR',
  data: {
    device: '',
    'node-name': node,
    operation: 'write',
    action: 'stop',
    nospace: false,
    reason: 'Input/output error',
    ...changes,
  },
});
const resumed = { event: 'RESUME', data: {} };
const block = (node: string, status?: string) => ({
  device: '',
  ...(status === undefined ? {} : { 'io-status': status }),
  inserted: { 'node-name': node },
});

describe('disks that failed', () => {
  let errors: DiskErrors;

  beforeEach(() => {
    errors = new DiskErrors();
  });

  it('are told once each, however many requests failed, and again after the domain ran on', () => {
    errors.heard(failed('image-xvda'));
    errors.heard(failed('image-xvda'));
    errors.heard(failed('image-sdb1', { operation: 'read' }));
    expect(errors.takeUntold()).toEqual([
      { target: 'xvda', reason: 'its image cannot be written (Input/output error)' },
      { target: 'sdb1', reason: 'its image cannot be read (Input/output error)' },
    ]);
    expect(errors.takeUntold()).toEqual([]);
    errors.heard(failed('image-xvda'));
    expect(errors.takeUntold()).toEqual([]);
    errors.heard(resumed);
    expect(errors.problem([])).toBeUndefined();
    errors.heard(failed('image-xvda', { nospace: true, reason: 'No space left on device' }));
    expect(errors.takeUntold()).toEqual([{ target: 'xvda', reason: 'no space is left for its image' }]);
  });

  it('are none where the system inside was told, or where the image is none of a disk', () => {
    errors.heard(failed('image-xvdc-1', { action: 'report' }));
    errors.heard(failed(''));
    errors.heard(failed('#block123'));
    expect(errors.takeUntold()).toEqual([]);
  });

  it('are found by QEMU itself, where nobody heard of it', () => {
    expect(errors.problem([block('image-xvda', 'ok'), block('image-xvdb', 'nospace')])).toEqual({
      kind: 'disk',
      target: 'xvdb',
      reason: 'no space is left for its image',
    });
    expect(errors.problem([block('image-xvda', 'failed')])).toMatchObject({
      reason: 'its image cannot be read or written',
    });
  });

  it('keep the reason that was heard', () => {
    errors.heard(failed('image-xvda'));
    expect(errors.problem([block('image-xvda', 'failed'), block('image-xvdc')])).toMatchObject({
      target: 'xvda',
      reason: 'its image cannot be written (Input/output error)',
    });
  });

  it.each([undefined, 'x', [{}], [{ 'io-status': 'failed' }]])('%j says nothing', answer => {
    expect(errors.problem(answer)).toBeUndefined();
  });
});
