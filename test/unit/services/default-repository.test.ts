import { lstatSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { AgentPaths } from '../../../src/config/paths.ts';
import { parseRepositoryId } from '../../../src/model/repository.ts';
import { linkDefault } from '../../../src/services/default-repository.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const id = parseRepositoryId('0123456789ABCDEF0123456789ABCDEF');
const isThere = (file: string): boolean => lstatSync(file, { throwIfNoEntry: false }) !== undefined;

describe('the default repository', () => {
  it('is a link as long as there is one to lead to', () => {
    const paths = new AgentPaths(temporaryDirectory());
    const place = paths.onDisk('/OVS');
    expect(linkDefault(paths, id)).toBe(true);
    expect(readlinkSync(place)).toBe(`var/ovs/mount/${id}`);
    expect(linkDefault(paths, undefined)).toBe(true);
    expect(isThere(place)).toBe(false);
  });

  it('takes the place of empty pools, and of no file', () => {
    const paths = new AgentPaths(temporaryDirectory());
    const place = paths.onDisk('/OVS');
    mkdirSync(`${place}/running_pool/guest`, { recursive: true });
    writeFileSync(`${place}/running_pool/guest/vm.cfg`, '');
    expect(linkDefault(paths, id)).toBe(false);
    expect(lstatSync(place).isDirectory()).toBe(true);
    const other = new AgentPaths(temporaryDirectory());
    mkdirSync(other.onDisk('/OVS/seed_pool'), { recursive: true });
    expect(linkDefault(other, id)).toBe(true);
    expect(lstatSync(other.onDisk('/OVS')).isSymbolicLink()).toBe(true);
  });

  it('leaves a link of the administrator alone', () => {
    const paths = new AgentPaths(temporaryDirectory());
    symlinkSync('/srv/guests', paths.onDisk('/OVS'));
    expect(linkDefault(paths, undefined)).toBe(true);
    expect(readlinkSync(paths.onDisk('/OVS'))).toBe('/srv/guests');
  });
});
