import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rename, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import { ExtVolume } from '../../../src/image-files/ext-volume.ts';
import { editImage, type ImageEditOptions } from '../../../src/image-files/image-edit.ts';
import type { ImageProgramParts } from '../../../src/image-files/image-program.ts';
import { findPartitions } from '../../../src/image-files/partitions.ts';
import { DiskImages, type Files, writeInto } from '../../support/disk-image.ts';
import { failureOf } from './refusal.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const parts: ImageProgramParts = { clock: systemClock, timeoutMs: 30_000 };
const LIMIT = 64 * 1024;
const tree: Files = {
  'etc/fstab': '/dev/hda1 / ext3 defaults 1 1\n',
  'etc/hosts': '127.0.0.1 localhost\n',
  'boot/grub/grub.conf': 'default=0\n',
  'boot/grub/menu.lst': { link: './grub.conf' },
  'etc/grub.conf': { link: '../boot/grub/grub.conf' },
  'bin/program': Buffer.alloc(50_000, 7),
};

const debugfs = (image: string, offset: number, request: string, ...options: string[]): string =>
  execFileSync('/usr/sbin/debugfs', [...options, '-R', request, `${image}?offset=${offset}`], {
    encoding: 'utf8',
    stdio: 'pipe',
  });

const MIB = 1024 * 1024;

/** A disk of one partition, which begins at 1 MiB. */
function newDisk(files: Files = tree, type = 'ext3'): string {
  const images = new DiskImages(temporaryDirectory());
  return images.disk('dos', [{ image: images.ext(files, { type }), active: true }]);
}

async function volumeOf(image: string): Promise<ExtVolume> {
  const [partition] = await findPartitions(image, parts);
  return new ExtVolume(image, partition!, parts);
}

async function change(
  image: string,
  path: string,
  text: string,
  options: Partial<ImageEditOptions> = {},
  more: Partial<ImageProgramParts> = {},
): Promise<void> {
  const { partition, ...volume } = await volumeOf(image).then(async found => ({
    partition: found.partition,
    file: await found.readFile(path, LIMIT),
  }));
  const changes = [{ partition, file: volume.file!, text }];
  await editImage(image, changes, { copyTimeoutMs: 30_000, ...options }, { ...parts, ...more });
}

const digestOf = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
/** What the test itself has made is there in any case. */
const besides = (image: string): string[] => readdirSync(dirname(image)).filter(name => name.startsWith('.'));

describe('an image of which a file is changed', () => {
  it.each(['ext2', 'ext3', 'ext4'])(
    'holds the new text in a sound file system of %s, and all else as it was',
    async type => {
      const image = newDisk(tree, type);
      const text = '/dev/xvda1 / ext3 defaults 1 1\n'.repeat(300);
      await change(image, '/etc/fstab', text);
      const volume = await volumeOf(image);
      expect((await volume.readFile('/etc/fstab', LIMIT))?.text).toBe(text);
      expect((await volume.readFile('/etc/hosts', LIMIT))?.text).toBe(tree['etc/hosts']);
      const copy = join(temporaryDirectory(), 'program');
      debugfs(image, MIB, `dump /bin/program ${copy}`);
      expect(readFileSync(copy)).toEqual(tree['bin/program']);
      execFileSync('/usr/sbin/e2fsck', ['-f', '-n', `${image}?offset=${MIB}`], { stdio: 'pipe' });
      expect(besides(image)).toEqual([]);
    },
  );

  it('keeps the permissions, the owner and the labels of the file, and those of the image', async () => {
    const image = newDisk();
    debugfs(image, MIB, 'set_inode_field /etc/fstab mode 0100640', '-w');
    debugfs(image, MIB, 'set_inode_field /etc/fstab uid 70000', '-w');
    debugfs(image, MIB, 'set_inode_field /etc/fstab gid 12', '-w');
    debugfs(image, MIB, 'ea_set /etc/fstab security.selinux system_u:object_r:etc_t:s0', '-w');
    chmodSync(image, 0o640);
    await change(image, '/etc/fstab', 'new\n');
    expect(await (await volumeOf(image)).readFile('/etc/fstab', LIMIT)).toEqual({
      path: '/etc/fstab',
      permissions: 0o640,
      user: 70000,
      group: 12,
      text: 'new\n',
      attributes: [{ name: 'security.selinux', value: Buffer.from('system_u:object_r:etc_t:s0') }],
    });
    expect(statSync(image).mode & 0o7777).toBe(0o640);
  });

  it('is changed where a link leads, and the link stays', async () => {
    const image = newDisk();
    await change(image, '/etc/grub.conf', 'default=1\n');
    expect(debugfs(image, MIB, 'cat /boot/grub/grub.conf')).toBe('default=1\n');
    expect(debugfs(image, MIB, 'stat /etc/grub.conf')).toContain('Type: symlink');
    expect((await (await volumeOf(image)).readFile('/boot/grub/menu.lst', LIMIT))?.text).toBe('default=1\n');
  });

  it('can be kept as it was', async () => {
    const image = newDisk();
    const before = digestOf(image);
    await change(image, '/etc/fstab', 'new\n', { keepAs: `${image}.before-pv` });
    expect(digestOf(`${image}.before-pv`)).toBe(before);
    expect(digestOf(image)).not.toBe(before);
    expect(await failureOf(change(image, '/etc/fstab', 'x', { keepAs: `${image}.before-pv` }))).toMatchObject({
      code: 'EXISTS',
    });
  });
});

describe('an image stays as it was', () => {
  it('when the file system has no room for the text', async () => {
    const image = newDisk();
    const before = digestOf(image);
    expect(await failureOf(change(image, '/etc/fstab', 'x'.repeat(9 * MIB)))).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect([digestOf(image), besides(image)]).toEqual([before, []]);
  });

  it('when the work is given up right before the end', async () => {
    const image = newDisk();
    const before = digestOf(image);
    const giveUp = new AbortController();
    const beforeReplacing = async (): Promise<void> => {
      giveUp.abort();
      await Promise.resolve();
    };
    expect(
      await failureOf(change(image, '/etc/fstab', 'x', { beforeReplacing }, { signal: giveUp.signal })),
    ).toMatchObject({ code: 'CANCELLED' });
    expect([digestOf(image), besides(image)]).toEqual([before, []]);
  });

  it('when somebody else writes to it or replaces it meanwhile', async () => {
    const image = newDisk();
    const touch = (): Promise<void> => utimes(image, 1, 1);
    expect(await failureOf(change(image, '/etc/fstab', 'x', { beforeReplacing: touch }))).toMatchObject({
      code: 'STALE',
    });
    const other = newDisk();
    const replace = (): Promise<void> => rename(other, image);
    const expected = digestOf(other);
    expect(await failureOf(change(image, '/etc/fstab', 'x', { beforeReplacing: replace }))).toMatchObject({
      code: 'STALE',
    });
    expect([digestOf(image), existsSync(other), besides(image)]).toEqual([expected, false, []]);
  });

  it('when its file system is damaged', async () => {
    const image = newDisk();
    debugfs(image, MIB, 'clri /etc/hosts', '-w');
    const before = digestOf(image);
    const error = await failureOf(change(image, '/etc/fstab', 'x'));
    expect(error.message).toMatch(/^check the file system in partition 1 of .*: e2fsck finds it damaged; repair it/);
    expect([digestOf(image), besides(image)]).toEqual([before, []]);
  });
});

describe('a copy beside an image', () => {
  it('that a killed process has left is removed', async () => {
    const image = newDisk();
    const left = join(dirname(image), `.${basename(image)}.0123456789ab.new`);
    mkdirSync(left);
    writeFileSync(join(left, 'image'), 'half');
    await change(image, '/etc/fstab', 'new\n');
    expect(besides(image)).toEqual([]);
  });

  it('that is being worked on is left alone, and a second change is refused', async () => {
    const image = newDisk();
    const error = await new Promise(resolve => {
      const beforeReplacing = (): Promise<void> => failureOf(change(image, '/etc/fstab', 'other')).then(resolve);
      void change(image, '/etc/fstab', 'new\n', { beforeReplacing }).then(resolve, resolve);
    });
    expect(error).toMatchObject({ code: 'IN_USE', message: expect.stringContaining('works on a copy') as string });
    await waitUntil('the first is done', () => besides(image).length === 0);
    expect((await (await volumeOf(image)).readFile('/etc/fstab', LIMIT))?.text).toBe('new\n');
  });
});

describe('a file in an image is refused', () => {
  it.each<[string, Files, RegExp]>([
    ['a link to itself', { 'etc/fstab': { link: 'fstab' } }, /circle/],
    ['links in a circle', { 'etc/fstab': { link: '/a/b' }, 'a/b': { link: '../etc/fstab' } }, /circle/],
    ['a link with a quote', { 'etc/fstab': { link: 'a" b' } }, /leads to "a\\" b"/],
    ['a link with a line end', { 'etc/fstab': { link: 'a\nrm b' } }, /leads to "a\\nrm b"/],
    ['a large file', { 'etc/fstab': 'x'.repeat(LIMIT + 1) }, /larger than 65536 bytes/],
    ['a directory', { 'etc/fstab/x': 'x' }, /it is a directory/],
    ['bytes that are no text', { 'etc/fstab': Buffer.from([0xff, 0xfe, 0x41]) }, /no text/],
  ])('%s', async (_what, files, message) => {
    const error = await failureOf((await volumeOf(newDisk(files))).readFile('/etc/fstab', LIMIT));
    expect(error).toMatchObject({ code: 'NOT_SUPPORTED', message: expect.stringMatching(message) as string });
  });

  it('a file with two names, and one that chattr protects', async () => {
    const image = newDisk();
    debugfs(image, MIB, 'set_inode_field /etc/fstab links_count 2', '-w');
    debugfs(image, MIB, 'set_inode_field /etc/hosts flags 0x10', '-w');
    const volume = await volumeOf(image);
    expect(await failureOf(volume.readFile('/etc/fstab', LIMIT))).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect((await failureOf(volume.readFile('/etc/hosts', LIMIT))).message).toContain('chattr');
  });

  it('a link that leads out of the image ends in the image', async () => {
    const volume = await volumeOf(newDisk({ 'etc/fstab': { link: '../../../../etc/passwd' } }));
    expect(await volume.readFile('/etc/fstab', LIMIT)).toBeUndefined();
  });
});

describe('partitions', () => {
  it('are found with what they hold, also where the whole disk is one file system', async () => {
    const images = new DiskImages(temporaryDirectory());
    const root = images.ext(tree);
    const disk = images.disk('gpt', [{ image: images.xfs({ a: 'b' }) }, { image: root }, { image: images.empty(1) }]);
    expect((await findPartitions(disk, parts)).map(({ holds, number }) => [number, holds.name])).toEqual([
      [1, 'xfs'],
      [2, 'ext'],
      [3, 'other'],
    ]);
    expect(await findPartitions(root, parts)).toMatchObject([
      { number: undefined, offsetBytes: 0, holds: { state: 'clean' } },
    ]);
  });

  it('tell a journal that needs recovery from a file system that was unmounted', async () => {
    const image = newDisk();
    // s_feature_incompat: filetype and needs_recovery.
    writeInto(image, Buffer.from([0x06, 0, 0, 0]), MIB + 1024 + 0x60);
    expect((await findPartitions(image, parts))[0]?.holds).toMatchObject({ state: 'needs-recovery' });
    const other = newDisk();
    writeInto(other, Buffer.from([0, 0]), MIB + 1024 + 0x3a);
    expect((await findPartitions(other, parts))[0]?.holds).toMatchObject({ state: 'unclean' });
  });
});
