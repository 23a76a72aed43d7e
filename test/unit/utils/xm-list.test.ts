import { describe, expect, it } from 'vitest';
import { overridesFrom } from '../../../utils/xm/create.ts';
import { formatList } from '../../../utils/xm/list.ts';

describe('xm list', () => {
  it('prints the columns of xm, at its places', () => {
    const text = formatList([
      { name: 'Domain-0', id: 0, memoryMib: 1024, vcpus: 2, state: 'r-----', seconds: 12.34 },
      { name: 'a-guest', id: 4711, memoryMib: 256, vcpus: 1, state: '-b----', seconds: 0 },
      { name: 'down', id: undefined, memoryMib: 128, vcpus: 4, state: '', seconds: 0 },
    ]);
    expect(text.split('\n')).toEqual([
      'Name                                        ID   Mem VCPUs      State   Time(s)',
      'Domain-0                                     0  1024     2     r-----     12.3',
      'a-guest                                   4711   256     1     -b----      0.0',
      'down                                             128     4                 0.0',
      '',
    ]);
  });
});

describe('name=value of xm create', () => {
  it('is a number where it looks like one, a list where the key is one, and a text otherwise', () => {
    expect(
      overridesFrom(['memory=256', 'name=x y', 'disk=file:/a,xvda,w', 'disk=file:/b,xvdb,r', 'extra=a=b']),
    ).toEqual({
      memory: 256,
      name: 'x y',
      disk: ['file:/a,xvda,w', 'file:/b,xvdb,r'],
      extra: 'a=b',
    });
  });

  it.each(['memory', '=256', '1a=2', ''])('%j is refused', word => {
    expect(() => overridesFrom([word])).toThrow(/is not name=value/);
  });
});
