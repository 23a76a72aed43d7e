import { describe, expect, it } from 'vitest';
import { mountOptions } from '../../../src/model/mount-options.ts';
import {
  parseRepositoryList,
  parseRepositoryOptions,
  withoutRepository,
  withRepository,
} from '../../../src/model/repository-list.ts';
import { formatStamp, parseStamp } from '../../../src/model/repository-stamp.ts';
import { parseRepositoryId, parseRepositorySource, sourceText } from '../../../src/model/repository.ts';

const A = parseRepositoryId('259229e3-f81b-4bf3-b5e9-c8c08a5c3d2b');
const B = parseRepositoryId('6AE3F9C5C5DF4A42969FDDF9DB8FBEF7');

describe('the list of repositories', () => {
  const text = `# made by ovs-makerepo\n\n@${A} /dev/sda3\n${B.toLowerCase()}\tnfs1:/export/ovs  \r\n`;

  it('is read as the original wrote it, and as people write it', () => {
    const { entries, problems } = parseRepositoryList(text);
    expect(entries.map(({ id, source }) => [id, sourceText(source)])).toEqual([
      [A, '/dev/sda3'],
      [B, 'nfs1:/export/ovs'],
    ]);
    expect(problems).toEqual([]);
  });

  it('says which lines cannot be used, and keeps the others', () => {
    const { entries, problems } = parseRepositoryList(
      `nonsense /dev/sda\n${A} /dev/sda3\n${A} /dev/sdb\n${B}\n${B} /dev/sda3`,
    );
    expect(entries).toHaveLength(1);
    expect(problems.map(({ line }) => line)).toEqual([1, 3, 4, 5]);
  });

  it('is changed line by line: comments and the lines of others stay', () => {
    expect(withoutRepository(text, A)).toBe(`# made by ovs-makerepo\n\n${B.toLowerCase()}\tnfs1:/export/ovs  \n`);
    const entry = { id: B, source: parseRepositorySource('/export') };
    expect(withRepository('', entry, false)).toBe(`${B} /export\n`);
    expect(withRepository(`# x\n${A} /dev/sda3`, entry, true)).toBe(`# x\n${B} /export\n${A} /dev/sda3\n`);
    expect(withRepository(`# x\n${A} /dev/sda3`, entry, false)).toBe(`# x\n${A} /dev/sda3\n${B} /export\n`);
  });

  it('has options to the end of the line', () => {
    expect(parseRepositoryOptions(`${A} -o hard, vers=3 \n# no\n`).get(A)).toBe('-o hard, vers=3');
  });
});

describe('a source', () => {
  it.each([
    ['/dev/mapper/a', 'device'],
    ['/export//ovs/.', 'directory'],
    ['nfs1.example.com:/a', 'nfs'],
    ['[fe80::1]:/a', 'nfs'],
  ])('%s is a %s', (text, kind) => expect(parseRepositorySource(text).kind).toBe(kind));

  it.each(['', '/', 'x', 'http://x/y', '-o:/x', 'a b:/x', '/a b', '/a\nb', 'h:/x\0', '/a/../b', 'h:', '$(x):/y'])(
    '%j is refused',
    text => expect(() => parseRepositorySource(text)).toThrow(/^repository source/),
  );
});

describe('mount options', () => {
  it('never let files of strangers be programs or devices', () => {
    expect(mountOptions('', 'ext4')).toEqual(['nosuid', 'nodev', 'noexec']);
    expect(mountOptions('-o defaults,noatime,_netdev,rsize=32768,hard,vers=4.1', 'nfs')).toEqual([
      ...['noatime', 'rsize=32768', 'hard', 'vers=4.1'],
      ...['nosuid', 'nodev', 'noexec'],
    ]);
  });

  it.each([
    ['suid', 'ext4', /"suid" may not be given: programs of strangers would run as root/],
    ['dev', 'xfs', /"dev" may not be given/],
    ['errors=panic', 'ext4', /would end this server/],
    ['bg', 'nfs', /before it is/],
    ['loop=/dev/loop7', 'ext4', /make the loop device/],
    ['hard', 'ext4', /"hard" is none of those that may be given for ext4/],
    ['rsize=1;reboot', 'nfs', /is none of those/],
    ['x-mount.mkdir', 'ext4', /is none of those/],
    ['helper=evil', 'nfs', /is none of those/],
    ['context=a', 'ext4', /is none of those/],
    ['vers=99999999999999', 'nfs', /is none of those/],
    ['-t', 'nfs', /is none of those/],
    ['upperdir=/etc', 'bind', /for a directory/],
  ])('%s for %s is refused by name', (options, type, reason) => {
    expect(() => mountOptions(`noatime,${options}`, type)).toThrow(reason);
  });

  it('are refused all at once', () => {
    expect(() => mountOptions('suid,exec,foo', 'ext4')).toThrow(/suid.*exec.*foo/);
  });
});

describe('a stamp', () => {
  const stamp = { id: A, shared: 'C', description: 'a = b; "c"' } as const;

  it('is read back as it was written', () => expect(parseStamp(formatStamp(stamp), '/x')).toEqual(stamp));

  it.each([
    ['', /damaged/],
    ['\0\0\0\0', /damaged/],
    [formatStamp(stamp).replace('VERSION=1', 'VERSION=2'), /layout "2"/],
    [formatStamp(stamp).replace(A, 'x'), /damaged/],
    [formatStamp(stamp).replace('SHARED=C', 'SHARED=7'), /damaged/],
    [formatStamp(stamp) + formatStamp(stamp), /damaged/],
    [formatStamp(stamp).slice(0, 60), /damaged/],
  ])('%j is refused', (text, reason) => expect(() => parseStamp(text, '/x')).toThrow(reason));
});
