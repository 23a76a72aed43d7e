import { readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/host/clock.ts';
import type { CommandResult } from '../../../src/host/command.ts';
import { runSandboxed, SANDBOXED_FILE, SANDBOXED_TARGET, type SandboxOptions } from '../../../src/host/sandbox.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

/** A file that the program may read, as the mode says, and one beside it. */
function newFile(mode: number): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'beside'), 'beside', { mode: 0o666 });
  const file = join(directory, 'file');
  writeFileSync(file, 'content', { mode });
  return file;
}

const run = (
  program: string,
  args: readonly string[],
  options: Partial<SandboxOptions> & { readonly file: string },
): Promise<CommandResult> =>
  runSandboxed(program, args, { timeoutMs: 20_000, clock: systemClock, debianPackage: 'a-package', ...options });

/** Exit code of a program that SIGXFSZ ended. */
const SIZE_EXCEEDED = 128 + 25;

/** The process that runs with these arguments. */
function findProcess(program: string, argument: string): string | undefined {
  return readdirSync('/proc').find(name => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8') === `${program}\0${argument}\0`;
    } catch {
      return false;
    }
  });
}

describe.each([
  ['everybody may read', 0o644],
  ['only root may read', 0o600],
])('a program in the sandbox, with a file that %s', (_who, mode) => {
  it('reads that file', async () => {
    expect(await run('cat', [SANDBOXED_FILE], { file: newFile(mode) })).toEqual({
      exitCode: 0,
      stdout: 'content',
      stderr: '',
    });
  });

  it('sees nothing of the server but programs and libraries', async () => {
    const file = newFile(mode);
    const { stdout } = await run('find', ['/', '-maxdepth', '2'], { file });
    const found = stdout.split('\n').filter(path => path !== '' && path !== '/usr/lib64');
    expect(found.sort()).toEqual([
      '/',
      '/bin',
      '/image',
      '/lib',
      '/lib64',
      '/usr',
      '/usr/bin',
      '/usr/lib',
      '/usr/sbin',
    ]);
    for (const path of ['/etc/shadow', '/etc/passwd', file, join(file, '../beside'), '/proc/1/environ', '/dev/sda']) {
      expect(await run('cat', [path], { file })).toMatchObject({
        exitCode: 1,
        stdout: '',
        stderr: expect.stringContaining('No such file or directory') as string,
      });
    }
  });

  it.each([SANDBOXED_FILE, '/new', '/usr/new', '/usr/bin/new'])('cannot write to %s', async path => {
    const file = newFile(mode);
    const { exitCode, stderr } = await run('dd', ['if=/usr/bin/dd', `of=${path}`, 'conv=notrunc'], { file });
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/Read-only file system|Permission denied/)]);
    expect(readFileSync(file, 'utf8')).toBe('content');
  });

  it('is a process without rights, network or neighbours, and ends with its time', async () => {
    const clock = new ManualClock();
    const argument = mode === 0o644 ? '86401' : '86402';
    const running = run('sleep', [argument], { file: newFile(mode), clock, timeoutMs: 5000 });
    const failure = expect(running).rejects.toMatchObject({ code: 'TIMEOUT' });
    await waitUntil('it runs', () => findProcess('sleep', argument) !== undefined);
    const process = `/proc/${findProcess('sleep', argument)!}`;
    const status = readFileSync(`${process}/status`, 'utf8');
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      expect(status).toMatch(new RegExp(`^${set}:\t0+$`, 'm'));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(status).toMatch(/^Groups:\t *$/m);
    expect(status).toMatch(mode === 0o644 ? /^Uid:\t65534\t65534\t65534\t65534$/m : /^Uid:\t0\t0\t0\t0$/m);
    // Whoever it is outside: in its user namespace, which is not the server's, nobody is mapped.
    expect(readFileSync(`${process}/uid_map`, 'utf8')).toBe('');
    for (const kind of ['user', 'mnt', 'pid', 'net', 'ipc', 'uts']) {
      expect(readlinkSync(`${process}/ns/${kind}`)).not.toBe(readlinkSync(`/proc/self/ns/${kind}`));
    }
    const devices = readFileSync(`${process}/net/dev`, 'utf8').trim().split('\n').slice(2);
    expect(devices).toEqual([expect.stringMatching(/^ *lo: /)]);
    expect(readFileSync(`${process}/net/route`, 'utf8').trim().split('\n')).toHaveLength(1);
    const limits = readFileSync(`${process}/limits`, 'utf8');
    expect(limits).toMatch(/^Max file size +0 +0 +bytes/m);
    expect(limits).toMatch(/^Max cpu time +5 +5 +seconds/m);
    expect(limits).toMatch(/^Max address space +536870912 +536870912 +bytes/m);
    await clock.advance(5000);
    await failure;
    await waitUntil('it was killed', () => findProcess('sleep', argument) === undefined);
  });

  it('makes no user namespace of its own, in which it would have rights', async () => {
    const { exitCode, stderr } = await run('/usr/bin/unshare', ['--user', 'true'], { file: newFile(mode) }).catch(
      (error: unknown) => ({ exitCode: -1, stderr: String(error) }),
    );
    expect([exitCode, stderr]).toEqual([-1, expect.stringContaining('Operation not permitted')]);
  });

  it('cannot take all memory', async () => {
    const take = (bytes: number): Promise<CommandResult> =>
      run('python3', ['-c', `bytes(${bytes}); print("taken")`], { file: newFile(mode) });
    expect(await take(2 ** 20)).toMatchObject({ exitCode: 0, stdout: 'taken\n' });
    expect(await take(2 ** 30)).toMatchObject({
      exitCode: 1,
      stdout: '',
      stderr: expect.stringContaining('MemoryError') as string,
    });
  });

  it('ends when it has had its processor time', async () => {
    // A clock that stands still: nothing else ends it.
    const options = { file: newFile(mode), timeoutMs: 1000, clock: new ManualClock() };
    expect((await run('python3', ['-c', 'while True: pass'], options)).exitCode).toBeGreaterThan(128);
  });
});

describe('the sandbox', () => {
  it('lets no program of nobody start another', async () => {
    const { stdout, stderr } = await run('sh', ['-c', 'cat /image; echo then'], { file: newFile(0o644) });
    expect(stdout).not.toContain('content');
    expect(stderr).toContain('fork');
  });

  it('gives what the program writes byte for byte', async () => {
    const file = newFile(0o644);
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256));
    writeFileSync(file, bytes);
    const parts: Buffer[] = [];
    const output = new Writable({
      write: (part: Buffer, _encoding, done): void => {
        parts.push(part);
        done();
      },
    });
    expect(await run('cat', [SANDBOXED_FILE], { file, output })).toMatchObject({ exitCode: 0, stdout: '' });
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
  });

  it('fails, and the program is stopped, when what it writes cannot be kept', async () => {
    const output = new Writable({ write: (_part, _encoding, done): void => done(new Error('no space')) });
    await expect(run('yes', [], { file: newFile(0o644), output })).rejects.toMatchObject({
      code: 'HOST',
      message: 'run bwrap: what it wrote cannot be kept; it was killed',
    });
  });

  it('lets the program write to its target, which belongs to root afterwards, and no more than it may', async () => {
    const [file, directory] = [newFile(0o644), temporaryDirectory()];
    const target = { path: directory, fileLimitBytes: 1000 };
    const write = (name: string, bytes: number): Promise<CommandResult> =>
      run('dd', [`of=${name}`, `bs=${bytes}`], { file, target, input: 'x'.repeat(bytes) });
    expect(await write(`${SANDBOXED_TARGET}/refused`, 1001)).toMatchObject({ exitCode: SIZE_EXCEEDED });
    const copy = (name: string): Promise<CommandResult> =>
      run('dd', [`if=${SANDBOXED_FILE}`, `of=${name}`], { file, target });
    expect(await copy(`${SANDBOXED_TARGET}/made`)).toMatchObject({ exitCode: 0 });
    expect(await copy('/made')).toMatchObject({ exitCode: 1 });
    expect(readFileSync(join(directory, 'made'), 'utf8')).toBe('content');
    for (const path of [directory, join(directory, 'made')]) {
      const { gid, uid } = statSync(path);
      expect([uid, gid]).toEqual([0, 0]);
    }
  });

  it('lets the program read what comes as a stream', async () => {
    const lines = Array.from({ length: 100_000 }, (_, index) => `${index}\n`);
    const { stdout } = await runSandboxed('tail', ['-n', '1'], {
      input: Readable.from(lines),
      timeoutMs: 20_000,
      clock: systemClock,
      debianPackage: 'coreutils',
    });
    expect(stdout).toBe('99999\n');
  });

  it('says which package is missing', async () => {
    const file = newFile(0o644);
    await expect(run('cat', [], { file, sandboxProgram: 'no-such-bwrap' })).rejects.toMatchObject({
      code: 'HOST',
      message: 'run no-such-bwrap: it is not installed; on Debian, apt-get install bubblewrap is needed',
    });
    await expect(run('no-such-program', [], { file })).rejects.toMatchObject({
      code: 'HOST',
      message: 'run no-such-program: it is not installed; on Debian, apt-get install a-package is needed',
    });
  });

  it('refuses a file that is none, or that its owner may not read', async () => {
    const file = newFile(0o000);
    await expect(run('cat', [], { file })).rejects.toMatchObject({ code: 'HOST' });
    await expect(run('cat', [], { file: `${file}.none` })).rejects.toMatchObject({ code: 'NO_SUCH_FILE' });
    await expect(run('cat', [], { file: '/dev/null' })).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(statSync(file).mode & 0o777).toBe(0);
  });
});
