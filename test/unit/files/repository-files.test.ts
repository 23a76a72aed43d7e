import {
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { AgentPaths } from '../../../src/config/paths.ts';
import type { RepositoryFiles } from '../../../src/files/repository-files.ts';
import { walk } from '../../../src/files/walk.ts';
import { repositoryFilesOf } from '../../support/repository-files.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const ID = '0123456789ABCDEF0123456789ABCDEF';
const OTHER = 'FEDCBA9876543210FEDCBA9876543210';
const MOUNT = `/var/ovs/mount/${ID}`;

let paths: AgentPaths;
let files: RepositoryFiles;

beforeEach(() => {
  paths = new AgentPaths(realpathSync(temporaryDirectory()));
  for (const directory of [MOUNT, `/var/ovs/mount/${OTHER}`, '/outside']) {
    mkdirSync(paths.onDisk(`${directory}/pool`), { recursive: true });
    writeFileSync(paths.onDisk(`${directory}/pool/file`), directory);
  }
  symlinkSync(`var/ovs/mount/${ID}`, paths.onDisk('/OVS'));
  files = repositoryFilesOf(paths);
});

const link = (target: string, name: string): void => symlinkSync(target, paths.onDisk(`${MOUNT}/${name}`));
const outside = (): string => readFileSync(paths.onDisk('/outside/pool/file'), 'utf8');

describe('files of repositories', () => {
  it('are the same by the name of the default repository and by that of its mount', async () => {
    expect(await files.find('/OVS/pool/file')).toMatchObject({
      outcome: 'there',
      place: paths.onDisk(`${MOUNT}/pool/file`),
    });
    await files.write('/OVS/pool/file', Buffer.from('new'), { mode: 0o600 });
    expect(String(await files.read(`${MOUNT}/pool/file`, 100))).toBe('new');
    expect([files.isIn(MOUNT, '/OVS/pool/x'), files.isIn('/OVS', `/var/ovs/mount/${OTHER}/x`)]).toEqual([true, false]);
    expect(files.repositories()).toEqual(['/OVS', `/var/ovs/mount/${OTHER}`]);
  });

  it('may be links to others in a repository, also in another one', async () => {
    link('pool/file', 'inside');
    link(paths.onDisk(`/var/ovs/mount/${OTHER}/pool`), 'beside');
    expect(String(await files.read('/OVS/inside', 100))).toBe(MOUNT);
    expect(String(await files.read('/OVS/beside/file', 100))).toBe(`/var/ovs/mount/${OTHER}`);
  });

  it.each([
    ['an absolute link', () => link(paths.onDisk('/outside/pool'), 'trap'), '/OVS/trap/file'],
    ['a relative link', () => link('../../../../outside/pool', 'trap'), '/OVS/trap/file'],
    [
      'a link to a link',
      () => {
        link('second', 'trap');
        link(paths.onDisk('/outside/pool'), 'second');
      },
      '/OVS/trap/file',
    ],
    ['a link to the file itself', () => link(paths.onDisk('/outside/pool/file'), 'trap'), '/OVS/trap'],
    ['dots', () => undefined, `${MOUNT}/../../../../outside/pool/file`],
    ['a plain path', () => undefined, '/outside/pool/file'],
  ])('are neither read, written, listed nor removed outside by %s', async (_how, prepare, given) => {
    prepare();
    const acts = [
      () => files.read(given, 100),
      () => files.readPiece(given, 0, 10),
      () => files.list(given),
      () => files.space(given),
      () => files.makeDirectory(`${given}/new`),
      () => files.write(`${given}/new`, Buffer.from('x'), { mode: 0o600 }),
      () => files.remove(`${given}/new`),
      () => files.rename(given, '/OVS/pool/taken'),
    ];
    for (const act of acts.slice(0, 7)) {
      await expect(act()).rejects.toMatchObject({
        code: expect.stringMatching(/^(BAD_VALUE|NO_SUCH_FILE)$/) as string,
      });
    }
    if (given !== '/OVS/trap') await expect(acts[7]!()).rejects.toMatchObject({ code: 'BAD_VALUE' });
    expect((await files.find(given)).outcome).not.toBe('there');
    expect(outside()).toBe('/outside');
  });

  it('are removed with links that are in them, and not what those lead to', async () => {
    mkdirSync(paths.onDisk(`${MOUNT}/pool/guest`));
    link(paths.onDisk('/outside'), 'pool/guest/trap');
    await files.remove('/OVS/pool/guest');
    expect(existsSync(paths.onDisk(`${MOUNT}/pool/guest`))).toBe(false);
    expect(outside()).toBe('/outside');
    await files.remove('/OVS/pool/guest');
  });

  it('keep their names when another has the new one, and change them within one repository only', async () => {
    writeFileSync(paths.onDisk(`${MOUNT}/pool/second`), '2');
    await expect(files.rename('/OVS/pool/file', '/OVS/pool/second')).rejects.toMatchObject({ code: 'EXISTS' });
    await expect(files.rename('/OVS/pool/file', `/var/ovs/mount/${OTHER}/pool/x`)).rejects.toMatchObject({
      code: 'BAD_VALUE',
      message: expect.stringContaining('another repository') as string,
    });
    await files.rename('/OVS/pool/file', '/OVS/pool/third');
    expect((await files.list('/OVS/pool')).map(({ name }) => name).sort()).toEqual(['second', 'third']);
  });

  it('are refused when they are too large, no files, or not there, by the names that were given', async () => {
    await expect(files.read('/OVS/pool/file', 3)).rejects.toMatchObject({ code: 'BAD_VALUE' });
    await expect(files.read('/OVS/pool', 100)).rejects.toMatchObject({ code: 'BAD_VALUE' });
    await expect(files.read('/OVS/pool/none', 100)).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
      message: expect.stringContaining('"/OVS/pool/none"') as string,
    });
    await expect(files.makeDirectory('/OVS/pool')).rejects.toMatchObject({ code: 'EXISTS' });
    await expect(files.list('/OVS/pool/file')).rejects.toMatchObject({ code: 'BAD_VALUE' });
  });

  it('in links that go round in circles are absent', async () => {
    link('two', 'one');
    link('one', 'two');
    expect(await files.find('/OVS/one/x')).toEqual({ outcome: 'absent' });
  });
});

describe('a walk', () => {
  it('never leaves its directory while another renames what is on the way', () => {
    const root = paths.onDisk(MOUNT);
    mkdirSync(join(root, 'a/b'), { recursive: true });
    writeFileSync(join(root, 'a/b/file'), 'inside');
    // Between two looks the directory becomes a link to the outside, as an attacker in a guest's repository would make it.
    for (let round = 0; round < 200; round += 1) {
      const isTrap = round % 2 === 1;
      if (isTrap) {
        renameSync(join(root, 'a/b'), join(root, 'a/kept'));
        symlinkSync(paths.onDisk('/outside/pool'), join(root, 'a/b'));
      }
      const outcome = walk(root, 'a/b/file', walked => walked.outcome);
      expect(outcome).toBe(isTrap ? 'elsewhere' : 'there');
      if (isTrap) {
        rmSync(join(root, 'a/b'));
        renameSync(join(root, 'a/kept'), join(root, 'a/b'));
      }
    }
  });
});
