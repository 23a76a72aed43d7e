import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { domainFile } from '../../src/drivers/xen/domain-file.ts';
import { requirePossible, whyNotOnXen } from '../../src/drivers/xen/refusals.ts';
import { messageOf } from '../../src/errors.ts';
import { bridgeExists } from '../../src/host/bridges.ts';
import type { GuestConfig } from '../../src/model/guest-config.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { xenKeys } from '../../src/vmcfg/xen-options.ts';
import { failureOf } from '../support/failure-of.ts';
import { expectGolden } from '../support/golden.ts';
import { demoConfig } from '../support/guest-config.ts';
import { parseXlConfig } from '../support/xl-config.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const reader = new GuestReader(facts64);

function namesIn(directory: string): readonly string[] {
  return readdirSync(join(import.meta.dirname, 'files', directory))
    .filter(name => name.endsWith('.cfg'))
    .map(name => name.slice(0, -'.cfg'.length));
}

/** What the driver makes a domain of: a kernel that the boot loader would look for was found before. */
function read(directory: string, name: string): GuestConfig {
  const config = reader.readConfig(
    readFileSync(join(import.meta.dirname, `files/${directory}/${name}.cfg`)),
    parseGuestPath(`/OVS/running_pool/${name}`),
  );
  if (config.boot.from !== 'bootloader') return config;
  const { commandLine } = config.boot;
  return { ...config, boot: { from: 'kernel', kernel: '/kept/kernel', ramdisk: '/kept/ramdisk', commandLine } };
}

const guests = [
  ...namesIn('xen').map(name => ['xen', name] as const),
  ...namesIn('qemu').map(name => ['qemu', name] as const),
];

describe('the domain file of', () => {
  it.each(guests)('%s/%s.cfg', (directory, name) => {
    const config = read(directory, name);
    // Which bridges there are is the server's matter.
    const refusal = whyNotOnXen({ ...config, networkInterfaces: [] }, true);
    if (refusal !== undefined) {
      expect(directory, refusal).toBe('qemu');
      expectGolden(`test/golden/files/xen/${name}.refused`, `${refusal}\n`);
      return;
    }
    const text = domainFile(config);
    expectGolden(`test/golden/files/xen/${name}.domain`, text);
    const keys = parseXlConfig(text);
    for (const end of ['on_poweroff', 'on_reboot', 'on_crash', 'on_watchdog', 'on_soft_reset'])
      expect(keys.get(end)).toBe('preserve');
  });

  it('a guest that may not have it holds no program, no path and no other domain', () => {
    const keys = parseXlConfig(domainFile(read('xen', 'xen-never')));
    expect(
      [...keys.keys()].filter(key => /device_model|stub|firmware|override|label|pvshim|^io|^irqs$/.test(key)),
    ).toEqual([]);
    expect(JSON.stringify([...keys])).not.toMatch(/evil|shadow|script|root|0-ffff/);
  });

  it('a guest has every key that is handed on to Xen, in one file or another', () => {
    const used = new Set(
      ['xen-keys', 'xen-keys-pv'].flatMap(name => [...parseXlConfig(domainFile(read('xen', name))).keys()]),
    );
    expect(xenKeys.filter(key => !used.has(key))).toEqual([]);
  });

  it.each(['xen-display-nobody', 'xen-display-nobody-para', 'vnc-password-empty', 'hvm'])(
    '%s, whose display lets nobody in, never offers one: without a password Xen asks for none',
    name => {
      const directory = name.startsWith('xen-') ? 'xen' : 'qemu';
      expect(read(directory, name).display?.password).toBe('');
      const text = domainFile(read(directory, name));
      expect(text).toMatch(/^vnc = 0$|^vfb = \["vnc=0[,"]/m);
      expect(text).not.toMatch(/vnc ?= ?1|vnclisten|vncpasswd/);
    },
  );

  it('a guest whose kernel was not looked up is never written', () => {
    const config = demoConfig('a', { boot: { from: 'bootloader', entry: undefined, commandLine: '' } });
    expect(() => domainFile(config)).toThrow('a domain file needs the kernel that the boot loader found');
  });

  it('a guest with a NUL is never written', () => {
    expect(() => domainFile(demoConfig('a', {}, 'a\0b'))).toThrow('a text with a NUL has no place in a domain file');
  });
});

describe('Xen is never given', () => {
  function refusalOf(name: string): string {
    try {
      return whyNotOnXen(read('xen-refused', name), true) ?? 'it is not refused';
    } catch (error) {
      return messageOf(error);
    }
  }

  it.each(namesIn('xen-refused'))('%s.cfg', name => {
    if (name === 'bridge-missing' && bridgeExists('xenbr0')) throw new Error('this test needs a server without xenbr0');
    const sentence = refusalOf(name);
    expect(sentence).not.toBe('it is not refused');
    expectGolden(`test/golden/files/xen-refused/${name}.error`, `${sentence}\n`);
  });

  it('anything of a guest that it can run', () => {
    for (const name of namesIn('xen')) expect(whyNotOnXen(read('xen', name), true), name).toBeUndefined();
  });

  it.each([
    ['xen-hvm', 'hvm'],
    ['xen-pvh', 'pvh'],
  ])('%s where the processor has no help for it', (name, type) => {
    expect(whyNotOnXen(read('xen', name), false)).toBe(
      `this server's processor runs no guests of type ${type}; write type = 'pv'`,
    );
    expect(failureOf(() => requirePossible('/OVS/running_pool/a', read('xen', name), false))).toMatchObject({
      code: 'NOT_SUPPORTED',
      message: `start /OVS/running_pool/a: this server's processor runs no guests of type ${type}; write type = 'pv'`,
    });
  });

  it('a paravirtual guest where the processor has no help for guests, which it needs none of', () => {
    expect(whyNotOnXen(read('xen', 'xen-pv'), false)).toBeUndefined();
  });
});
