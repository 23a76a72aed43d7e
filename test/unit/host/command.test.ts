import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { type CommandOptions, runCheckedCommand, runCommand } from '../../../src/host/command.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const patient: CommandOptions = { timeoutMs: 15_000, clock: systemClock };

const shell = (script: string, options = patient): ReturnType<typeof runCommand> =>
  runCommand('/bin/sh', ['-c', script], options);

/** Whether there is such a process, and more of it than what its parent has yet to collect. */
function isAlive(id: number): boolean {
  const file = `/proc/${id}/stat`;
  return existsSync(file) && !/^\d+ \(.*\) Z/.test(readFileSync(file, 'utf8'));
}

describe('a command', () => {
  it('gives its exit code and both outputs, whatever the code is', async () => {
    expect(await shell('echo out; echo err >&2; exit 3')).toEqual({ exitCode: 3, stdout: 'out\n', stderr: 'err\n' });
    expect(await shell('exit 0')).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it('did not do well when a signal ended it', async () => {
    expect((await shell('kill -TERM $$')).exitCode).not.toBe(0);
  });

  it('gets its arguments as they are: no shell reads them', async () => {
    const directory = temporaryDirectory();
    const made = join(directory, 'made');
    const args = [
      `; touch ${made}`,
      `$(touch ${made})`,
      `\`touch ${made}\``,
      '*',
      ' a  b ',
      '',
      '\'"',
      'x\ny',
      '-n',
      'ä',
    ];
    const { stdout } = await runCommand('/usr/bin/printf', ['%s\\0', ...args], patient);
    expect(stdout.split('\0').slice(0, -1)).toEqual(args);
    expect(existsSync(made)).toBe(false);
  });

  it('knows nothing of the environment of the agent, and speaks the C locale', async () => {
    const { stdout } = await runCommand('/usr/bin/env', [], patient);
    expect(stdout.trim().split('\n').sort()).toEqual([
      'LC_ALL=C',
      'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ]);
  });

  it('is found on the path of the system when it is a name alone', async () => {
    expect((await runCommand('true', [], patient)).exitCode).toBe(0);
  });

  it('has no input to wait for', async () => {
    expect(await runCommand('cat', [], patient)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });

  it('holds none of the files that the agent has open', async () => {
    const secret = join(temporaryDirectory(), 'secret');
    const descriptor = openSync(secret, 'w');
    onTestFinished(() => closeSync(descriptor));
    const { stdout } = await shell('ls -l /proc/self/fd');
    expect(stdout).toMatch(/ 1 -> /);
    expect(stdout).not.toContain(secret);
  });

  it('may put a letter of several bytes anywhere in a long output', async () => {
    const { stdout } = await shell('i=0; while [ $i -lt 20000 ]; do printf "aäö€"; i=$((i+1)); done');
    expect(stdout).toBe('aäö€'.repeat(20_000));
  });

  it('that is not there is a failure that says which one', async () => {
    await expect(runCommand('no-such-program', [], patient)).rejects.toMatchObject({
      code: 'HOST',
      message: 'run no-such-program: it cannot be started; is it installed?',
    });
  });

  it('that may not be run is a failure too', async () => {
    const file = join(temporaryDirectory(), 'data');
    writeFileSync(file, 'no program', { mode: 0o600 });
    await expect(runCommand(file, [], patient)).rejects.toMatchObject({ code: 'HOST' });
  });

  it.each([
    ['a NUL', 'a\0b'],
    ['more than the kernel takes', 'x'.repeat(4_000_000)],
  ])('whose arguments hold %s is a failure of the closed list', async (_what, argument) => {
    await expect(runCommand('true', [argument], patient)).rejects.toMatchObject({
      code: 'HOST',
      message: 'run true: it cannot be started; the system does not take its arguments',
    });
  });

  it('is killed when its time is over, with everything it started', async () => {
    const clock = new ManualClock();
    const file = join(temporaryDirectory(), 'child');
    const run = shell(`sleep 1000 & echo $! >${file}.new; mv ${file}.new ${file}; wait`, { timeoutMs: 5000, clock });
    const failure = expect(run).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: 'run /bin/sh: it did not end within 5000 ms; it was killed',
    });
    await waitUntil('the child runs', () => existsSync(file));
    const child = Number(readFileSync(file, 'utf8'));
    await clock.advance(4999);
    expect(isAlive(child)).toBe(true);
    await clock.advance(1);
    await failure;
    await waitUntil('the child was killed', () => !isAlive(child));
  });

  it('leaves no timer behind, however it ends', async () => {
    const clock = new ManualClock();
    const options = { timeoutMs: 5000, clock };
    await shell('exit 1', options);
    await runCommand('no-such-program', [], options).catch(() => undefined);
    await shell('echo 12345', { ...options, outputLimitBytes: 2 }).catch(() => undefined);
    expect(clock.waiting).toBe(0);
  });

  it.each(['', ' >&2'])('is killed when it writes without end%s', async where => {
    const file = join(temporaryDirectory(), 'id');
    const run = shell(`echo $$ >${file}; exec yes${where}`, { ...patient, outputLimitBytes: 100_000 });
    await expect(run).rejects.toMatchObject({
      code: 'HOST',
      message: 'run /bin/sh: it wrote more than 100000 bytes; it was killed',
    });
    await waitUntil('it was killed', () => !isAlive(Number(readFileSync(file, 'utf8'))));
  });

  it('may write exactly as much as it may', async () => {
    expect((await shell('printf 12345', { ...patient, outputLimitBytes: 5 })).stdout).toBe('12345');
    await expect(shell('printf 123456', { ...patient, outputLimitBytes: 5 })).rejects.toMatchObject({ code: 'HOST' });
  });
});

describe('a checked command', () => {
  it('gives its outputs when it did well', async () => {
    expect(await runCheckedCommand('echo', ['hello'], patient)).toEqual({ exitCode: 0, stdout: 'hello\n', stderr: '' });
  });

  it('fails with its words, the last of them when there are many', async () => {
    const run = runCheckedCommand(
      '/bin/sh',
      ['-c', 'yes begin | head -n 200 >&2; echo the reason >&2; exit 2'],
      patient,
    );
    const message = await run.then(String, String);
    expect(message).toMatch(/^AgentError: run \/bin\/sh -c .*: [^]*the reason$/);
    expect(message.length).toBeLessThan(700);
  });

  it('fails with its code when it says nothing', async () => {
    await expect(runCheckedCommand('false', [], patient)).rejects.toMatchObject({
      code: 'HOST',
      message: 'run false: exit code 1',
    });
  });

  it('reads a stream as fast as it can, and fails with it', async () => {
    const text = 'line\n'.repeat(200_000);
    const counted = await runCommand('wc', ['-c'], { ...patient, input: Readable.from([text]) });
    expect(counted.stdout).toBe(`${text.length}\n`);
    const broken = Readable.from(
      (function* () {
        yield 'some';
        throw new AgentError('NO_SUCH_FILE', 'the stream broke');
      })(),
    );
    await expect(runCommand('cat', [], { ...patient, input: broken })).rejects.toMatchObject({
      code: 'NO_SUCH_FILE',
      message: 'the stream broke',
    });
    // One that is not read to its end is let go of.
    const endless = Readable.from(
      (function* () {
        for (;;) yield text;
      })(),
    );
    expect(await runCommand('head', ['-c', '4'], { ...patient, input: endless })).toMatchObject({ stdout: 'line' });
    await waitUntil('the stream is closed', () => endless.destroyed);
  });

  it('does not wait for input that was over before it began', async () => {
    const over = new Readable({ read: () => undefined });
    over.destroy();
    expect(await runCommand('cat', [], { ...patient, input: over })).toMatchObject({ exitCode: 0, stdout: '' });
    const broken = new Readable({ read: () => undefined });
    broken.on('error', () => undefined).destroy(new AgentError('NO_SUCH_FILE', 'it broke'));
    await waitUntil('it is over', () => broken.closed);
    await expect(runCommand('cat', [], { ...patient, input: broken })).rejects.toThrow('it broke');
  });
});
