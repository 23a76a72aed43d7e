import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { removeProcessorGroup, setProcessorShare, whyNoProcessorShares } from '../../../src/host/processor-groups.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const NAME = 'ovs-guest-0123456789abcdef';
let root: string;

/** A directory that looks like control groups of version 2; in it files are only files. */
beforeEach(() => {
  root = temporaryDirectory();
  writeFileSync(join(root, 'cgroup.controllers'), 'cpuset cpu io memory\n');
});

function sleeper(): ChildProcess {
  const child = spawn('sleep', ['60']);
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

const read = (file: string): string => readFileSync(join(root, 'ovs-guests', NAME, file), 'utf8');

describe('shares of processor time', () => {
  it.each([
    [{ weight: 256, capPercent: undefined }, '100', 'max 100000'],
    [{ weight: 512, capPercent: 50 }, '200', '50000 100000'],
    [{ weight: undefined, capPercent: 400 }, '100', '400000 100000'],
    [{ weight: 1, capPercent: undefined }, '1', 'max 100000'],
    [{ weight: 65_535, capPercent: 1 }, '10000', '1000 100000'],
  ])('of %j are those of the kernel', (share, weight, max) => {
    const { pid } = sleeper();
    expect(setProcessorShare(pid!, NAME, share, root)).toBeUndefined();
    expect(read('cpu.weight')).toBe(weight);
    expect(read('cpu.max')).toBe(max);
    expect(read('cgroup.procs')).toBe(String(pid));
    expect(readFileSync(join(root, 'cgroup.subtree_control'), 'utf8')).toBe('+cpu');
  });

  it('are left alone where the guest file says nothing', () => {
    expect(
      setProcessorShare(1, NAME, { weight: undefined, capPercent: undefined }, join(root, 'nothing')),
    ).toBeUndefined();
  });

  it('cannot be given out without the version, or its controller, and say so', () => {
    expect(whyNoProcessorShares(join(root, 'nothing'))).toMatch(/no control groups of version 2/);
    writeFileSync(join(root, 'cgroup.controllers'), 'io memory\n');
    expect(whyNoProcessorShares(root)).toMatch(/lack the cpu controller/);
    expect(setProcessorShare(1, NAME, { weight: 1, capPercent: undefined }, root)).toMatch(/lack the cpu controller/);
  });

  it('tell why, where the group cannot be made', () => {
    writeFileSync(join(root, 'ovs-guests'), 'a file in the way');
    expect(setProcessorShare(1, NAME, { weight: 1, capPercent: undefined }, root)).toMatch(/ENOTDIR/);
  });

  it('go with the group, once it is empty', () => {
    const group = join(root, 'ovs-guests', NAME);
    mkdirSync(group, { recursive: true });
    removeProcessorGroup(NAME, root);
    expect(() => readFileSync(group)).toThrow(/ENOENT/);
    removeProcessorGroup(NAME, root);
  });
});
