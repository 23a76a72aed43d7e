import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { knownKeys } from '../../../../src/vmcfg/known-keys.ts';
import { profileOf, systemTypes, variantsOf } from '../../../../utils/virt-install/os-table.ts';
import { failureOf } from '../../../support/failure-of.ts';

const all = systemTypes.flatMap(type => variantsOf(type).map(variant => [type, variant] as const));

describe('the table of systems', () => {
  it('has every name of virt-install of python-virtinst 0.400, and those of today', () => {
    const names = all.map(([, variant]) => variant);
    for (const name of [
      ...['rhel2.1', 'rhel3', 'rhel4', 'rhel5', 'centos5', 'fedora5', 'fedora6', 'fedora7', 'sles10', 'debianetch'],
      ...['debianlenny', 'generic26', 'generic24', 'winxp', 'win2k', 'win2k3', 'vista', 'solaris9', 'solaris10'],
      ...['freebsd6', 'openbsd4', 'msdos', 'netware4', 'netware5', 'netware6', 'ubuntuhardy', 'virtio26', 'win2k8'],
      ...['ol5', 'ol9', 'rhel9', 'win11', 'win2k22', 'ubuntu24.04', 'debian12', 'sles15', 'freebsd14', 'rocky9'],
    ])
      expect(names).toContain(name);
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(all)('gives a guest of %s %s keys that the agent heeds, and a clock that suits it', (type, variant) => {
    const { keys, label } = profileOf(type, variant);
    expect(profileOf(undefined, variant)).toBe(profileOf(type, variant));
    expect(label).not.toBe('');
    for (const key of Object.keys(keys)) expect(knownKeys[key]?.effect).toBe('acts');
    expect(keys['timer_mode']).toBe({ linux: 2, windows: 1, unix: undefined, other: undefined }[type]);
    expect(keys['localtime'] === 1).toBe(type === 'windows' || variant.includes('solaris'));
  });

  it('offers the interfaces of Hyper-V to the Windows that knows them', () => {
    expect(profileOf('windows', 'winxp').keys['viridian']).toBeUndefined();
    expect(profileOf('windows', 'win2k3').keys['viridian']).toBeUndefined();
    expect(profileOf('windows', undefined).keys['viridian']).toBeUndefined();
    expect(profileOf('windows', 'vista').keys['viridian']).toBe(1);
    expect(profileOf('windows', 'win2k8').keys['viridian']).toBe(1);
  });

  it('has advice on the clock for systems that count ticks, and for no others', () => {
    for (const name of ['rhel4', 'rhel5', 'ol5', 'oel4', 'centos5'])
      expect(profileOf('linux', name).advice).toContain('clock=pit divider=10 notsc');
    for (const name of ['rhel6', 'ol9', 'debian12', 'win2k8'])
      expect(profileOf(undefined, name).advice).toBeUndefined();
  });

  it('is listed in the document for operators, name by name', () => {
    const text = readFileSync(resolve(import.meta.dirname, '../../../../docs/virt-install.md'), 'utf8');
    const systems = text.slice(text.indexOf('## Systems'), text.indexOf('## What differs'));
    const listed = [...systems.matchAll(/`([a-z][a-z-]*)([\d.]*\w*)`(?: (to|and) `\1(\d+)`)?/g)].flatMap(
      ([, name = '', first = '', range, last]) =>
        range === 'to'
          ? Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => `${name}${Number(first) + index}`)
          : [`${name}${first}`, ...(last === undefined ? [] : [`${name}${last}`])],
    );
    expect(all.map(([, variant]) => variant).filter(variant => !listed.includes(variant))).toEqual([]);
  });

  it('takes capital letters as small ones', () => {
    expect(profileOf('Linux', 'debianEtch')).toBe(profileOf('linux', 'debianetch'));
  });

  it.each([
    ['beos', undefined, 'one of linux, windows, unix, other'],
    ['linux', 'rehl5', 'did you mean rhel5?'],
    ['linux', 'win7', 'it is of --os-type windows'],
    [undefined, 'constructor', 'docs/virt-install.md'],
    [undefined, '__proto__', 'docs/virt-install.md'],
  ])('refuses %s %s', (type, variant, sentence) => {
    const failure = failureOf(() => profileOf(type, variant));
    expect(failure.code).toBe('BAD_VALUE');
    expect(failure.message).toContain(sentence);
  });
});
