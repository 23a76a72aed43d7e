import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseSExpressions } from '../../src/config/s-expression.ts';
import type { GuestConfig } from '../../src/model/guest-config.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { guestSxp } from '../../src/vmcfg/guest-sxp.ts';
import { guestXml } from '../../src/vmcfg/guest-xml.ts';
import { expectGolden } from '../support/golden.ts';
import { demoConfig } from '../support/guest-config.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const directory = join(import.meta.dirname, 'files/qemu');
const all = readdirSync(directory)
  .filter(name => name.endsWith('.cfg'))
  .map(name => name.slice(0, -'.cfg'.length));
/** Every sixth: of each kind some. */
const names = all.filter((_name, index) => index % 6 === 0);

function read(name: string): GuestConfig {
  const bytes = readFileSync(join(directory, `${name}.cfg`));
  return new GuestReader(facts64).readConfig(bytes, parseGuestPath(`/OVS/running_pool/${name}`));
}

describe('xm create --dryrun', () => {
  it.each(names)('%s', name => {
    expectGolden(`test/golden/files/dry-run/${name}.sxp`, guestSxp(read(name)));
    expectGolden(`test/golden/files/dry-run/${name}.xml`, guestXml(read(name)));
  });

  it.each(all)('%s is read back as one list', name => {
    const [vm, ...others] = parseSExpressions(guestSxp(read(name)), 'dryrun');
    expect([vm?.kind, others]).toEqual(['list', []]);
  });

  const hostile = `a'b"c\\d (e) <f> & #g\n\u0007`;
  const config: GuestConfig = {
    ...demoConfig('guest'),
    name: hostile,
    boot: { from: 'kernel', kernel: '/boot/vmlinuz', ramdisk: undefined, commandLine: hostile },
    display: { listen: '127.0.0.1', number: undefined, password: 'geheim' },
  };

  it('quotes what would be read as something else, and shows no password', () => {
    const text = guestSxp(config);
    const [vm] = parseSExpressions(text, 'dryrun');
    const [, name] = vm?.kind === 'list' ? vm.items : [];
    expect(name?.kind === 'list' && name.items.map(item => (item.kind === 'atom' ? item.text : ''))).toEqual([
      'name',
      hostile,
    ]);
    expect(text).not.toContain('geheim');
  });

  it('escapes what is markup, and shows no password', () => {
    const text = guestXml(config);
    expect(text).toContain(`<label>a'b&#34;c\\d (e) &#60;f&#62; &#38; #g&#10;</label>`);
    expect(text).not.toContain('geheim');
  });
});
