import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Xl } from '../../../src/drivers/xen/xl.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';
import { printedList, printedRow, xlRecording, xlRecordings } from '../../support/xl-recordings.ts';

interface Calls {
  readonly program: string;
  /** The arguments of each call so far. */
  readonly all: () => readonly string[];
  /** Lets the next call that waits print this and end. */
  readonly answer: (text: string) => Promise<void>;
  readonly directory: string;
}

/** A program in the place of xl, which writes down its calls. @param body what it does then, in `sh` */
function fakeXl(body: string): Calls {
  const directory = temporaryDirectory();
  const program = join(directory, 'xl');
  const [log, gate] = [join(directory, 'calls'), join(directory, 'gate')];
  execFileSync('mkfifo', [gate]);
  writeFileSync(log, '');
  writeFileSync(program, `#!/bin/sh\ndirectory='${directory}'\necho "$*" >>'${log}'\n${body}\n`, { mode: 0o755 });
  return {
    program,
    directory,
    all: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
    answer: text => writeFile(gate, text),
  };
}

/** One whose list is what the test answers, each time it is asked. */
const fakeList = (): Calls => fakeXl('exec cat "$directory/gate"');

/** One that runs until it is killed, and says which process that is. */
const endless = (): Calls =>
  fakeXl('echo $$ >"$directory/id.new"; mv "$directory/id.new" "$directory/id"; exec sleep 1000');

const listOf = (...names: readonly string[]): string =>
  printedList(...names.map((name, id) => printedRow({ name, id })));

async function processOf({ directory }: Calls): Promise<number> {
  await waitUntil('it runs', () => existsSync(join(directory, 'id')));
  return Number(readFileSync(join(directory, 'id'), 'utf8'));
}

/** Whether it is there, and more of it than what its parent has yet to collect. */
function isAlive(id: number): boolean {
  const file = `/proc/${id}/stat`;
  return existsSync(file) && !/^\d+ \(.*\) Z/.test(readFileSync(file, 'utf8'));
}

describe('a call of xl', () => {
  it('has its arguments as they are, and behind the command that runs it', async () => {
    const { all, program } = fakeXl('echo out; echo err >&2; exit 7');
    const xl = new Xl(program, systemClock);
    expect(await xl.run(['a b', '$(x)', ';'])).toEqual({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
    expect(await xl.run(['list'], { before: ['env', 'A=1'] })).toMatchObject({ exitCode: 7 });
    expect(all()).toEqual(['a b $(x) ;', 'list']);
  });

  it('that succeeds gives what it printed, whatever it said besides', async () => {
    const { program } = fakeXl('echo out; echo "libxl: error: a.c:1:f: something" >&2');
    expect(await new Xl(program, systemClock).act('pause /OVS/a', ['pause', '1'])).toBe('out\n');
  });

  it('that fails is told by what it said, as it was for every failure that was recorded', async () => {
    const { directory, program } = fakeXl('cat "$directory/stderr" >&2; exit "$1"');
    const xl = new Xl(program, systemClock);
    const failures = xlRecordings.filter(({ exit, stderr }) => exit !== 0 && stderr !== '');
    const said = new Set<string>();
    for (const { exit, stderr } of failures) {
      writeFileSync(join(directory, 'stderr'), stderr);
      const failure = await xl.act('start /OVS/a', [String(exit)]).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(failure, stderr).toMatchObject({
        code: 'HYPERVISOR',
        message: expect.stringMatching(/^start \/OVS\/a: [^\n]+$/) as string,
      });
      said.add((failure as Error).message);
    }
    expect(said).toContain("start /OVS/a: failed to open file '/srv/xen/nokernel': No such file or directory");
    expect(said).toContain('start /OVS/a: Domain with name "pvh1" already exists');
  });

  it.each([
    ['says nothing', 'exit 3', 3],
    ['says what it did alone', 'echo "Parsing config from x" >&2; exit 3', 3],
    ['is killed', 'kill -KILL $$', 128],
  ])('that %s is told by its exit code', async (_what, body, code) => {
    const { program } = fakeXl(body);
    await expect(new Xl(program, systemClock).act('pause /OVS/a', ['pause', '1'])).rejects.toMatchObject({
      code: 'HYPERVISOR',
      message: `pause /OVS/a: xl pause ended with ${code}`,
    });
  });

  it('of a program that is not there is a failure of the server, of that act', async () => {
    const program = join(temporaryDirectory(), 'xl');
    await expect(new Xl(program, systemClock).act('pause /OVS/a', ['pause', '1'])).rejects.toMatchObject({
      code: 'HOST',
      message: `pause /OVS/a: run ${program}: it cannot be started; is it installed?`,
    });
  });

  it.each([
    ['that is given', 1234, { timeoutMs: 1234 }],
    ['that is usual', 60_000, {}],
  ])('ends at the time limit %s', async (_what, limitMs, options) => {
    const calls = endless();
    const clock = new ManualClock();
    const failure = expect(
      new Xl(calls.program, clock).act('pause /OVS/a', ['pause', '1'], options),
    ).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: `pause /OVS/a: run ${calls.program}: it did not end within ${limitMs} ms; it was killed`,
    });
    const id = await processOf(calls);
    await clock.advance(limitMs - 1);
    expect(isAlive(id)).toBe(true);
    await clock.advance(1);
    await failure;
    await waitUntil('it was killed', () => !isAlive(id));
    expect(clock.waiting).toBe(0);
  });

  it('ends when it is given up', async () => {
    const calls = endless();
    const giveUp = new AbortController();
    const failure = expect(
      new Xl(calls.program, systemClock).act('save /OVS/a', ['save'], { signal: giveUp.signal }),
    ).rejects.toMatchObject({ code: 'CANCELLED', message: `save /OVS/a: run ${calls.program}: it was given up` });
    const id = await processOf(calls);
    giveUp.abort();
    await failure;
    await waitUntil('it was killed', () => !isAlive(id));
  });

  it('that was given up before it began does not go on', async () => {
    const calls = endless();
    await expect(
      new Xl(calls.program, systemClock).act('save /OVS/a', ['save'], { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('for what Xen is like gives what is wanted of it', async () => {
    const { directory, all, program } = fakeXl('cat "$directory/info"');
    writeFileSync(join(directory, 'info'), xlRecording('001-info').stdout);
    expect(await new Xl(program, systemClock).info()).toMatchObject({ version: '4.17.7', processors: 2 });
    expect(all()).toEqual(['info']);
    writeFileSync(join(directory, 'info'), 'host : dom0\n');
    await expect(new Xl(program, systemClock).info()).rejects.toMatchObject({ code: 'HYPERVISOR' });
  });
});

describe('the list of domains', () => {
  it('is asked for anew each time, one after the other', async () => {
    const calls = fakeList();
    const xl = new Xl(calls.program, systemClock);
    for (const name of ['one', 'two']) {
      const asked = xl.list();
      await calls.answer(listOf(name));
      expect(await asked).toMatchObject([{ name }]);
    }
    expect(calls.all()).toEqual(['list -v', 'list -v']);
  });

  it('is never the running one for those who ask later: they share the one after it', async () => {
    const calls = fakeList();
    const xl = new Xl(calls.program, systemClock);
    const first = xl.list();
    await waitUntil('the first runs', () => calls.all().length === 1);
    const during = Array.from({ length: 50 }, () => xl.list());
    await calls.answer(listOf('before'));
    expect(await first).toMatchObject([{ name: 'before' }]);

    await waitUntil('the second runs', () => calls.all().length === 2);
    // These came while the second ran: what it tells may be older than they are.
    const later = [xl.list(), xl.list()];
    await calls.answer(listOf('then'));
    for (const rows of await Promise.all(during)) expect(rows).toMatchObject([{ name: 'then' }]);

    await calls.answer(listOf('at last'));
    for (const rows of await Promise.all(later)) expect(rows).toMatchObject([{ name: 'at last' }]);
    expect(calls.all()).toEqual(['list -v', 'list -v', 'list -v']);
  });

  it('that fails is a failure of those who asked for it, and of nobody after them', async () => {
    const calls = fakeList();
    const xl = new Xl(calls.program, systemClock);
    const first = xl.list();
    const refused = expect(first).rejects.toMatchObject({ code: 'HYPERVISOR' });
    await waitUntil('the first runs', () => calls.all().length === 1);
    const during = [xl.list(), xl.list()];
    await calls.answer('what is this\n');
    await refused;
    await calls.answer(listOf('a'));
    for (const rows of await Promise.all(during)) expect(rows).toMatchObject([{ name: 'a' }]);

    const alone = expect(xl.list()).rejects.toMatchObject({ code: 'HYPERVISOR' });
    await calls.answer('what is this\n');
    await alone;
    const after = xl.list();
    await calls.answer(listOf('b'));
    expect(await after).toMatchObject([{ name: 'b' }]);
  });

  it('that fails for those who shared it fails for all of them', async () => {
    const calls = fakeList();
    const xl = new Xl(calls.program, systemClock);
    const first = xl.list();
    await waitUntil('the first runs', () => calls.all().length === 1);
    const during = Promise.allSettled([xl.list(), xl.list(), xl.list()]);
    await calls.answer(listOf('a'));
    await first;
    await calls.answer('what is this\n');
    for (const { status } of await during) expect(status).toBe('rejected');
    const after = xl.list();
    await calls.answer(listOf('b'));
    expect(await after).toMatchObject([{ name: 'b' }]);
    expect(calls.all()).toHaveLength(3);
  });

  it('that does not end in time fails, and the next one is asked for', async () => {
    const { directory, program } = fakeXl(
      '[ -e "$directory/ready" ] && exec cat "$directory/ready"; echo >"$directory/waits"; exec sleep 1000',
    );
    const clock = new ManualClock();
    const xl = new Xl(program, clock);
    const first = expect(xl.list()).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('ask Xen for its domains') as string,
    });
    await waitUntil('the first waits', () => existsSync(join(directory, 'waits')));
    const next = xl.list();
    writeFileSync(join(directory, 'ready'), listOf('a'));
    await clock.advance(60_000);
    await first;
    expect(await next).toMatchObject([{ name: 'a' }]);
  });
});
