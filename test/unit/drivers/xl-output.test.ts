import { describe, expect, it } from 'vitest';
import { failureOf as failureOfXl, parseDomainList, parseInfo } from '../../../src/drivers/xen/xl-output.ts';
import { failureOf } from '../../support/failure-of.ts';
import { expectGolden } from '../../support/golden.ts';
import { printedList, printedRow, xlRecording, xlRecordings } from '../../support/xl-recordings.ts';

const isVerboseList = ({ command }: { readonly command: string }): boolean => command === 'xl list -v';
const isInfo = ({ command, exit }: { readonly command: string; readonly exit: number }): boolean =>
  command.startsWith('xl info') && exit === 0;

/** Rows of the other forms of the list: all that they say is in the verbose form as well. */
const plainRows = xlRecordings
  .filter(({ command }) => /^xl list( [\w-]+)?$/.test(command) && !/ -[lvZnc]/.test(command))
  .flatMap(({ stdout }) => stdout.split('\n').slice(1, -1))
  .map(line => {
    const match = /^(\S+) +(\d+) +(\d+) +(\d+) +(\S{6}) +(\d+\.\d)$/.exec(line);
    if (!match) throw new Error(`${line} is no row of xl list`);
    const [, name, id, memory, vcpus, state, seconds] = match;
    return {
      name: name!,
      id: Number(id),
      memoryMib: Number(memory),
      vcpus: Number(vcpus),
      state: state!,
      seconds: Number(seconds),
    };
  });

describe('the list of domains', () => {
  it('is read as xl of Xen 4.17 printed it', () => {
    const of = (
      id: number,
      name: string,
      uuid: string,
      processorTimeMs: number,
      size = { memoryMib: 96, vcpus: 1 },
    ) => ({
      name,
      id,
      ...size,
      isPaused: false,
      shutdown: undefined,
      isDying: false,
      processorTimeMs,
      uuid,
    });
    expect(parseDomainList(xlRecording('016-list-v').stdout)).toEqual([
      of(0, 'Domain-0', '00000000-0000-0000-0000-000000000000', 215_800, { memoryMib: 1024, vcpus: 2 }),
      of(1, 'pv1', 'd4479442-e50e-4ef1-b9d8-b6580206c33a', 12_300),
      of(2, 'pvh1', '356ce485-fd51-41e8-9794-cf845924f519', 21_900),
      of(3, 'pvnet', 'd08e1400-1651-4158-8070-6e5b53419d7c', 9500),
    ]);
  });

  it('is printed by the tests as xl prints it', () => {
    const { stdout } = xlRecording('016-list-v');
    const rows = parseDomainList(stdout).map(({ processorTimeMs, ...row }) =>
      printedRow({ ...row, seconds: processorTimeMs / 1000, state: row.id === 0 ? 'r-----' : '-b----' }),
    );
    expect(printedList(...rows)).toBe(stdout);
  });

  it('is refused in every other form, and so is what any other command prints', () => {
    const others = xlRecordings.filter(recording => !isVerboseList(recording));
    expect(others).toHaveLength(163);
    for (const { command, stdout } of others) {
      expect(
        failureOf(() => parseDomainList(stdout)),
        command,
      ).toMatchObject({
        code: 'HYPERVISOR',
        message: expect.stringMatching(/^read xl list -v: .*Xen other than 4\.17\?$/s) as string,
      });
    }
  });

  it.each([
    ['---s--', 0, 'poweroff'],
    ['---sr-', 1, 'reboot'],
    ['---ss-', 2, 'suspend'],
    ['---sc-', 3, 'crash'],
    ['---sw-', 4, 'watchdog'],
    ['---sS-', 5, 'soft-reset'],
    ['---s?-', 6, 'unknown'],
    ['---s?-', 0x7f, 'unknown'],
    ['---s?-', -1, 'unknown'],
  ])('tells by %s and reason %d of a %s', (state, reason, shutdown) => {
    const [row] = parseDomainList(printedList(printedRow({ state, reason })));
    expect(row).toMatchObject({ shutdown, isPaused: false, isDying: false });
    const [paused] = parseDomainList(printedList(printedRow({ state: `--p${state.slice(3, 5)}d`, reason })));
    expect(paused).toMatchObject({ shutdown, isPaused: true, isDying: true });
  });

  it('takes a line as it was seen of a guest that was switched off', () => {
    const line = printedRow({ state: '---s--', reason: 0 });
    expect(line.replace(/ +/g, ' ')).toBe('pv1 1 96 1 ---s-- 3.1 c213770c-a9a8-4496-a5cd-111898de7b2e 0 -');
    expect(parseDomainList(printedList(line))).toEqual([
      {
        name: 'pv1',
        id: 1,
        memoryMib: 96,
        vcpus: 1,
        isPaused: false,
        shutdown: 'poweroff',
        isDying: false,
        processorTimeMs: 3100,
        uuid: 'c213770c-a9a8-4496-a5cd-111898de7b2e',
      },
    ]);
  });

  it('says the same of every domain that was seen as the short form of the list', () => {
    expect(plainRows.length).toBeGreaterThan(60);
    for (const plain of plainRows) {
      const hasShutDown = plain.state[3] === 's';
      const reason = hasShutDown ? '-rscwS'.indexOf(plain.state[4]!) : undefined;
      const [row] = parseDomainList(printedList(printedRow({ ...plain, reason })));
      expect(row, JSON.stringify(plain)).toMatchObject({
        name: plain.name,
        id: plain.id,
        memoryMib: plain.memoryMib,
        vcpus: plain.vcpus,
        isPaused: plain.state[2] === 'p',
        isDying: plain.state[5] === 'd',
        processorTimeMs: Math.round(plain.seconds * 1000),
      });
      expect(row!.shutdown === undefined, plain.state).toBe(!hasShutDown);
    }
  });

  it.each([
    ['of one that goes, which has lost its name', '(null)', { vcpus: 0, state: '--ps-d', reason: 0, memoryMib: 0 }],
    ['of one that comes by a migration', 'web--incoming', { vcpus: 0, state: '--p---', memoryMib: 0, seconds: 0 }],
    ['of a name as long as its column', 'n'.repeat(40), {}],
    ['of a name longer than its column', 'n'.repeat(300), {}],
    ['of no name', '', {}],
  ])('has the row %s', (_what, name, more) => {
    const [row] = parseDomainList(printedList(printedRow({ name, ...more })));
    expect(row).toMatchObject({ name, id: 1, vcpus: 1, ...('vcpus' in more ? { vcpus: more.vcpus } : {}) });
  });

  it('is read where security modules give labels', () => {
    expect(parseDomainList(printedList(printedRow({ label: 'system_u:system_r:domU_t' })))).toHaveLength(1);
  });

  it('is empty where there are no domains', () => {
    expect(parseDomainList(printedList())).toEqual([]);
  });
});

describe('what xl says of Xen', () => {
  it('is read in every form in which it was printed', () => {
    const recordings = xlRecordings.filter(isInfo);
    expect(recordings.map(({ name }) => name)).toEqual(['001-info', '002-info-numa', '162-fail-daemons-stopped-info']);
    for (const { name, stdout } of recordings) {
      const free = /^free_memory +: (\d+)$/m.exec(stdout)![1];
      expect(parseInfo(stdout), name).toEqual({
        version: '4.17.7',
        major: 4,
        minor: 17,
        processors: 2,
        totalMemoryMib: 3071,
        freeMemoryMib: Number(free),
        hasHardwareGuests: true,
        hasFixedOwnMemory: true,
        hasShadowPaging: false,
      });
    }
  });

  it('is nothing that another command says', () => {
    for (const { command, stdout } of xlRecordings.filter(recording => !isInfo(recording)))
      expect(
        failureOf(() => parseInfo(stdout)),
        command,
      ).toMatchObject({ code: 'HYPERVISOR' });
  });

  it('tells of a processor without help for guests', () => {
    const text = xlRecording('001-info').stdout.replace(/^(xen_caps +: ).*$/m, '$1xen-3.0-x86_64 xen-3.0-x86_32p ');
    expect(parseInfo(text).hasHardwareGuests).toBe(false);
  });

  it('tells whether the own memory was set at boot, by itself or among other options', () => {
    const withOptions = (options: string): boolean =>
      parseInfo(xlRecording('001-info').stdout.replace(/^(xen_commandline +: ).*$/m, `$1${options}`)).hasFixedOwnMemory;
    expect(withOptions('dom0_mem=1G')).toBe(true);
    expect(withOptions('console=com1 dom0_mem=max:1G noreboot')).toBe(true);
    expect(withOptions('')).toBe(false);
    expect(withOptions('console=com1 xdom0_mem=1G')).toBe(false);
  });

  it('tells of shadow paging where Xen was built with it', () => {
    const text = xlRecording('001-info').stdout.replace(/^(virt_caps +: ).*$/m, '$1pv hvm hap shadow gnttab-v1');
    expect(parseInfo(text).hasShadowPaging).toBe(true);
  });

  it.each([
    'xen_version',
    'xen_major',
    'xen_minor',
    'nr_cpus',
    'total_memory',
    'free_memory',
    'xen_caps',
    'virt_caps',
    'xen_commandline',
  ])('is refused without %s, with a word for it', key => {
    const text = xlRecording('001-info').stdout.replace(new RegExp(`^${key} +:.*\\n`, 'm'), '');
    expect(failureOf(() => parseInfo(text)).message).toContain(`${key} is missing`);
  });

  it('is refused wherever it is cut off, until all that is wanted is there', () => {
    const { stdout } = xlRecording('001-info');
    const whole = parseInfo(stdout);
    const end = stdout.indexOf('\n', stdout.indexOf('\nxen_commandline') + 1) + 1;
    for (let length = 0; length < stdout.length; length++) {
      const cut = stdout.slice(0, length);
      if (length >= end && cut.endsWith('\n')) expect(parseInfo(cut)).toEqual(whole);
      else
        expect(
          failureOf(() => parseInfo(cut)),
          `${length} characters`,
        ).toMatchObject({ code: 'HYPERVISOR' });
    }
  });
});

describe('the reason for a failure of xl', () => {
  const told = xlRecordings
    .filter(({ stderr }) => stderr !== '')
    .map(({ command, exit, name, stderr }) => ({ name, command, exit, stderr, said: failureOfXl(stderr) }));

  it('is told of every failure that was recorded', () => {
    expectGolden(
      'test/golden/files/xen/failures.txt',
      told.map(({ command, exit, said }) => `${command}\n  ${exit}: ${said === '' ? '(nothing)' : said}\n`).join(''),
    );
  });

  it('is there wherever a command failed, and never where it only told of its work', () => {
    for (const { exit, name, said, stderr } of told) {
      if (exit !== 0 || stderr.includes(' error: ')) expect(said, name).not.toBe('');
      else expect(said, name).toBe('');
    }
  });

  it('is short, in one line, without places in a source and without what merely followed', () => {
    for (const { name, said } of told) {
      expect(said.length, name).toBeLessThan(300);
      expect(said, name).not.toMatch(/\n|[\w-]+\.[ch]:\d|Internal error|libxl|Non-existant domain|Destruction of|rc=/);
    }
  });

  it('is what followed, where nothing else was said', () => {
    expect(
      failureOfXl('libxl: error: libxl_create.c:1640:domcreate_rebuild_done: Domain 11:cannot (re-)build domain: -3\n'),
    ).toBe('cannot (re-)build domain: -3');
  });
});
