import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { declarations, headingOf, type SectionName, type Setting } from '../../../src/config/declarations.ts';
import { parseSettings, readSettingsFile, readSettingsText } from '../../../src/config/settings.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { failureOf } from '../../support/failure-of.ts';

const parse = (...lines: string[]): ReturnType<typeof parseSettings> => parseSettings(lines.join('\n'), 'agent.ini');

describe('the settings', () => {
  it('have the documented defaults where the file says nothing', () => {
    const settings = parse('');
    expect(settings).toMatchObject({
      ssl: true,
      port: 8899,
      listen: ['0.0.0.0', '::'],
      address: null,
      allow: [{ kind: 'everything' }],
      deny: [],
      hypervisor: 'auto',
      guests: { stopTimeoutMs: 600_000, startTimeoutMs: 30_000, memoryReserveMib: 256, kernelDirectories: ['/boot'] },
      limits: { bodyBytes: 4_194_304, xmlDepth: 64 },
      certificate: { keyBits: 2048 },
    });
  });

  it('are read from a flat file of the original', () => {
    const settings = parse(
      ';ssl support --',
      'ssl=disable',
      ';network access control by ip --',
      'allow=10.1.1.*,*.example.com',
      'deny=',
    );
    expect(settings.ssl).toBe(false);
    expect(settings.allow).toEqual([
      { kind: 'network', family: 'ipv4', first: '10.1.1.0', last: '10.1.1.255' },
      { kind: 'name', suffix: 'example.com', isWhole: false },
    ]);
    expect(settings.deny).toEqual([]);
  });

  it('keep everybody out where allow is there and empty', () => {
    expect(parse('allow=').allow).toEqual([]);
  });

  it('are read from sections with their units', () => {
    const { authentication, guests, limits, log } = parse(
      '[limits]',
      'header_time=0.5',
      'body_size=64KiB',
      '[log]',
      'level=debug',
      '[authentication]',
      'failure_delay=0',
      '[guests]',
      'vnc_ports=6000-6009',
      'kernel_directories=',
    );
    expect(limits).toMatchObject({ headerTimeMs: 500, bodyBytes: 65_536, bodyTimeMs: 60_000 });
    expect(log.level).toBe('debug');
    expect(authentication.failureDelayMs).toBe(0);
    expect(guests).toMatchObject({ vncPorts: { first: 6000, last: 6009 }, kernelDirectories: [] });
  });

  it('remember of each value whether it is a default or where it was written', () => {
    const { origins } = parse('; one', 'ssl=disable', '[log]', 'level="warn"');
    const originOf = (section: string, key: string): unknown =>
      origins.find(origin => origin.section === section && origin.key === key);
    expect(originOf('', 'ssl')).toEqual({
      section: '',
      key: 'ssl',
      text: 'disable',
      source: { file: 'agent.ini', line: 2 },
    });
    expect(originOf('log', 'level')).toMatchObject({ text: 'warn', source: { line: 4 } });
    expect(originOf('', 'port')).toEqual({ section: '', key: 'port', text: '8899', source: undefined });
  });

  it('have one origin for every declared key', () => {
    const declared = (Object.keys(declarations) as SectionName[]).flatMap(section =>
      Object.values<Setting<unknown>>(declarations[section]).map(({ key }) => `${headingOf(section)}.${key}`),
    );
    expect(parse('').origins.map(({ section, key }) => `${section}.${key}`)).toEqual(declared);
    expect(new Set(declared).size).toBe(declared.length);
  });

  it.each([
    ['ssl=yes', 1, /ssl=yes cannot be used; it must be enable or disable/],
    ['ssl=toString', 1, /must be enable or disable/],
    ['\nport=65536', 2, /must be a whole number from 0 to 65535/],
    ['listen=', 1, /must be IP addresses of this server/],
    ['hypervisor=kvm', 1, /must be one of auto, xen, qemu, simulated/],
    ['allow=*\ndeny=10.1.1', 2, /address pattern "10\.1\.1": .*must be one of/],
    ['[limits]\nbody_size=4MB', 2, /must be a size from 1KiB to 1GiB/],
    ['[guests]\n\nstop_timeout=10min', 3, /must be a number of seconds from 0 to 86400/],
    ['[certificate]\nkey_bits=1024', 2, /one of 2048, 3072, 4096/],
    ['prot=8899', 1, /there is no key prot; the keys here are ssl, port, .*; did you mean port\?$/],
    ['SSL=enable', 1, /did you mean ssl\?/],
    ['[limits]\nheader-time=1', 2, /there is no key header-time in \[limits\]; .*did you mean header_time\?/],
    ['[limits]\nbodysize=1', 2, /did you mean body_size\?/],
    ['bodysize=1', 1, /did you mean body_size, which belongs under \[limits\]\?/],
    ['colour=red', 1, /there is no key colour; the keys here are ssl, port, listen.*hypervisor$/],
    ['[log]\nssl=enable', 2, /ssl in \[log\]; .*did you mean ssl, which belongs before the first section\?/],
    ['level=info', 1, /did you mean level, which belongs under \[log\]\?/],
    ['[limts]\nbody_size=1', 1, /there is no section \[limts\]; did you mean \[limits\]\?/],
    ['[limit]', 1, /did you mean \[limits\]\?/],
    ['[network]', 1, /there are \[limits\], \[authentication\]/],
    ['[main]\nssl=enable', 1, /there is no section \[main\]/],
    ['[certificate]\nvalid_days=20', 2, /renew_days must be less than valid_days/],
    ['[certificate]\nvalid_days=90\nrenew_days=90', 3, /renew_days must be less than valid_days/],
    ['ssl: enable', 1, /key=value/],
  ])('refuse %j with file, line and what was expected', (text, line, message) => {
    const failure = failureOf(() => parseSettings(text, '/etc/ovs-agent/agent.ini'));
    expect(failure.code).toBe('BAD_CONFIG');
    expect(failure.message).toMatch(new RegExp(`^/etc/ovs-agent/agent\\.ini line ${line}: `));
    expect(failure.message).toMatch(message);
  });

  it('show a bad value bounded and without control characters', () => {
    const { message } = failureOf(() => parse(`port=\u001b[31m${'9'.repeat(5000)}`));
    expect(message).toContain('\\u001b');
    expect(message).not.toContain('\u001b');
    expect(message.length).toBeLessThan(400);
  });
});

describe('the settings file', () => {
  it('that is missing leaves everything at its default', () => {
    const file = join(temporaryDirectory(), 'agent.ini');
    expect(readSettingsFile(file)).toEqual(parse(''));
  });

  it('is read from disk under its own name', () => {
    const file = join(temporaryDirectory(), 'agent.ini');
    writeFileSync(file, 'port=0\nssl=maybe\n');
    expect(failureOf(() => readSettingsFile(file)).message).toContain(`${file} line 2: `);
  });

  it('that cannot be read is a failure of the host, not an empty file', () => {
    const file = join(temporaryDirectory(), 'agent.ini');
    mkdirSync(file);
    const failure = failureOf(() => readSettingsFile(file));
    expect(failure.code).toBe('HOST');
    expect(failure.message).toContain(file);
  });

  it('in another encoding is refused with its line, for an edit would spoil it', () => {
    const file = join(temporaryDirectory(), 'agent.ini');
    writeFileSync(file, Buffer.from('ssl=enable\n; f\u00fcr alle\nallow=*\n', 'latin1'));
    expect(failureOf(() => readSettingsText(file)).message).toContain(`${file} line 2: `);
    writeFileSync(file, 'ssl=enable\n; für alle €\n');
    expect(readSettingsText(file)).toBe('ssl=enable\n; für alle €\n');
  });
});
