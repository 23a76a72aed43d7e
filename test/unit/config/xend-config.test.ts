import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { effectiveLogLevel, effectiveMemoryReserveMib } from '../../../src/config/effective.ts';
import { parseSettings } from '../../../src/config/settings.ts';
import { parseXendConfig, readXendConfig } from '../../../src/config/xend-config.ts';
import { type XendOption, xendOptions } from '../../../src/config/xend-options.ts';
import { failureOf } from '../../support/failure-of.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

const parse = (...lines: string[]) => parseXendConfig(lines.join('\n'), 'xend-config.sxp');

/** The lines that are not comments in the file that Xen 3.4 shipped, and some that its users add. */
const shipped = [
  '# -*- sh -*-',
  '(xend-unix-server yes)',
  '(xend-unix-path /var/lib/xend/xend-socket)',
  "(xend-relocation-hosts-allow '^localhost$ ^localhost\\\\.localdomain$')",
  '(network-script network-bridge)',
  '(vif-script vif-bridge)',
  '(dom0-min-mem 256)',
  '(enable-dom0-ballooning yes)',
  '(total_available_memory 0)',
  '(dom0-cpus 0)',
  "(vncpasswd '')",
];

describe('xend-config.sxp', () => {
  it('that is empty leaves every option at a default that can be used', () => {
    const { settings, values } = parse();
    expect(values).toMatchObject({ tcpServer: false, tcpPort: 8006, vncListen: '127.0.0.1', consoleLimitKib: 1024 });
    expect(settings).toHaveLength(Object.keys(xendOptions).length);
    expect(settings.every(setting => setting.line === undefined)).toBe(true);
  });

  it('as it was shipped is read as a whole', () => {
    const xend = parse(...shipped);
    expect(xend.values.dom0MinMemoryMib).toBe(256);
    expect(xend.settings.filter(setting => setting.option === undefined)).toEqual([]);
    expect(xend.settings.find(setting => setting.name === 'dom0-min-mem')).toMatchObject({ text: '256', line: 7 });
    expect(xend.says('unixServer')).toBe(false);
  });

  it('may hold one list of all options, options twice, and options that nobody knows', () => {
    const xend = parse('((vnc-listen 10.0.0.1)', '(vnc-listen 10.0.0.2)', '(frobnicate (a b)))');
    expect(xend.values.vncListen).toBe('10.0.0.2');
    expect(xend.settings.at(-1)).toEqual({
      name: 'frobnicate',
      text: '(a b)',
      line: 3,
      earlierLines: [],
      option: undefined,
      effect: 'none',
      isUnusable: false,
    });
    const twice = xend.settings.find(setting => setting.name === 'vnc-listen');
    expect(twice).toMatchObject({ text: '10.0.0.2', line: 2, earlierLines: [1] });
  });

  it('does not keep the agent from starting by what has no effect anyway', () => {
    const { settings, values } = parse(
      '(xend-port 0)',
      '(xend-relocation-address myhost)',
      '(xsm_module_name a b)',
      "(vnc-listen '')",
    );
    expect(settings.filter(setting => setting.isUnusable).map(setting => setting.name)).toEqual([
      'xend-relocation-address',
      'xend-port',
      'xsm_module_name',
    ]);
    expect(values).toMatchObject({ port: 8000, xsmModule: 'dummy', vncListen: '0.0.0.0' });
  });

  it.each([
    ['UTF-8', Buffer.from("(vncpasswd 'pä')")],
    ['UTF-8 with a byte order mark', Buffer.from("\uFEFF(vncpasswd 'pä')")],
    ['Latin-1', Buffer.from("(vncpasswd 'pä')", 'latin1')],
  ])('is read in %s', (_name, bytes) => {
    const file = join(temporaryDirectory(), 'xend-config.sxp');
    writeFileSync(file, bytes);
    expect(readXendConfig(file).values.vncPassword).toBe('pä');
  });

  it('that is missing leaves everything at its default; one that cannot be read is an error', () => {
    const directory = temporaryDirectory();
    expect(readXendConfig(join(directory, 'missing')).settings.every(({ line }) => line === undefined)).toBe(true);
    expect(failureOf(() => readXendConfig(directory))).toMatchObject({ code: 'HOST' });
    const large = join(directory, 'large');
    writeFileSync(large, '#'.repeat(262_145));
    expect(failureOf(() => readXendConfig(large))).toMatchObject({ code: 'BAD_CONFIG' });
  });

  it('never shows the password in what is wrong with it', () => {
    for (const line of ['(vncpasswd (geheim))', '(vncpasswd a geheim)', "(vncpasswd 'geheim)"]) {
      expect(failureOf(() => parse(line)).message).toMatch(/line 1(?!.*geheim)/);
    }
  });

  it.each([
    ["(vif-script 'vif-bridge bridge=xenbr0')", 'xenbr0'],
    ["(network-script 'network-bridge netdev=eth0 bridge=br7')", 'br7'],
    ["(vif-script '/etc/xen/scripts/vif-bridge bridge=a')\n(network-script 'network-bridge bridge=b')", 'a'],
    ["(vif-script 'my-script bridge=xenbr0')", undefined],
    ["(vif-script 'vif-bridge bridge=;reboot')", undefined],
    ['(vif-script vif-route)', undefined],
  ])('names a bridge and never a script: %s', (line, bridge) => {
    expect(parse(line).defaultBridge).toBe(bridge);
  });

  it('tells which script names the bridge; the others have no effect', () => {
    const effects = (...lines: string[]) =>
      ['vif-script', 'network-script'].map(name => parse(...lines).settings.find(item => item.name === name)?.effect);
    expect(effects("(vif-script 'vif-bridge bridge=a')", "(network-script 'network-bridge bridge=b')")).toEqual([
      'acts',
      'none',
    ]);
    expect(effects('(vif-script vif-route)', "(network-script 'network-bridge bridge=b')")).toEqual(['none', 'acts']);
    expect(effects('(vif-script vif-nat)', '(network-script my-script)')).toEqual(['none', 'none']);
  });

  it('may hold lists where they are meant', () => {
    const { settings } = parse("(xen-api-server ((9363 pam '^localhost$') (unix none)))", "(pscsi-device-mask ('*'))");
    expect(settings.find(({ name }) => name === 'xen-api-server')?.text).toBe('((9363 pam ^localhost$) (unix none))');
  });

  it.each([
    [
      '(dom0-min-mem much)',
      'xend-config.sxp line 1: dom0-min-mem "much" cannot be used; it must be a whole number of MiB',
    ],
    ['(xend-tcp-xmlrpc-server maybe)', 'it must be yes or no'],
    ['(vnc-listen myhost)', 'it must be an IP address, localhost'],
    ['(loglevel LOUD)', 'one of NOTSET, DEBUG, INFO, WARNING, WARN, ERROR, CRITICAL, FATAL'],
    ['(keymap /etc/passwd)', 'it must be a keyboard layout'],
    ['(dom0-min-mem 256 512)', 'line 1: dom0-min-mem has more than one value; it must be a whole number of MiB'],
    ['(dom0-min-mem)', 'dom0-min-mem "" cannot be used'],
    [
      '(network-script network-bridge bridge=xenbr0)',
      'network-script has more than one value; it must be a text, in quotes',
    ],
    ['yes', 'line 1: "yes" is no option; (name value) is needed'],
    ['(((a b)))', undefined],
  ])('is refused with file and line: %s', (line, message) => {
    if (message === undefined) expect(() => parse(line)).not.toThrow();
    else expect(() => parse(line)).toThrow(message);
  });

  it('has a meaning for each option, and an effect or a reason', () => {
    for (const { default: standard, kind, name, summary } of Object.values<XendOption>(xendOptions)) {
      expect(kind.parse(standard), name).toBeDefined();
      expect(summary, name).toMatch(/\.$/);
    }
  });
});

describe('where agent.ini and xend-config.sxp both have a say', () => {
  it('agent.ini holds for the log level where it names one, and xend-config.sxp only where it does', () => {
    expect(effectiveLogLevel(parseSettings('', 'agent.ini'), parse())).toBe('info');
    expect(effectiveLogLevel(parseSettings('', 'agent.ini'), parse('(loglevel WARNING)'))).toBe('warn');
    expect(effectiveLogLevel(parseSettings('[log]\nlevel=error', 'agent.ini'), parse('(loglevel DEBUG)'))).toBe(
      'error',
    );
  });

  it('the larger memory reserve holds', () => {
    const settings = parseSettings('[guests]\nmemory_reserve=300', 'agent.ini');
    expect(effectiveMemoryReserveMib(settings, parse('(dom0-min-mem 512)'))).toBe(512);
    expect(effectiveMemoryReserveMib(settings, parse('(dom0-min-mem 100)'))).toBe(300);
  });
});
