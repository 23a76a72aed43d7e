import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentPaths } from '../../../src/config/paths.ts';

const places = {
  settingsFile: '/etc/ovs-agent/agent.ini',
  passwordFile: '/etc/ovs-agent/passwd',
  certificateDirectory: '/etc/ovs-agent/cert',
  certificateFile: '/etc/ovs-agent/cert/certificate.pem',
  databaseDirectory: '/etc/ovs-agent/db',
  databaseFile: '/etc/ovs-agent/db/agent.db',
  logDirectory: '/var/log/ovs-agent',
  runtimeDirectory: '/run/ovs-agent',
  lockFile: '/run/ovs-agent/lock',
  controlSocket: '/run/ovs-agent/control',
  guestRuntimeDirectory: '/run/ovs-agent/guests',
} as const satisfies Partial<Record<keyof AgentPaths, string>>;

const names = Object.keys(places) as (keyof typeof places)[];

describe('the paths of an agent', () => {
  it('are those of the documents without a root', () => {
    const paths = new AgentPaths();
    expect(Object.fromEntries(names.map(name => [name, paths[name]]))).toEqual(places);
  });

  it('all lie below its root as though that were /', () => {
    for (const root of ['/tmp/one', '/tmp/one/', '/tmp//one/.']) {
      const paths = new AgentPaths(root);
      expect(paths.root).toBe('/tmp/one');
      expect(Object.fromEntries(names.map(name => [name, paths[name]]))).toEqual(
        Object.fromEntries(names.map(name => [name, `/tmp/one${places[name]}`])),
      );
    }
  });
});

describe('a path that a caller gave', () => {
  it.each([
    ['/OVS/running_pool/guest', '/tmp/one/OVS/running_pool/guest'],
    ['/OVS//seed_pool/', '/tmp/one/OVS/seed_pool'],
    ['/', '/tmp/one'],
    ['/../../etc/shadow', '/tmp/one/etc/shadow'],
    ['../../etc/shadow', '/tmp/one/etc/shadow'],
    ['/OVS/../../../tmp/oneself', '/tmp/one/tmp/oneself'],
    ['/tmp/one/OVS', '/tmp/one/tmp/one/OVS'],
  ])('%s lies at %s below the root /tmp/one', (given, onDisk) => {
    expect(new AgentPaths('/tmp/one').onDisk(given)).toBe(onDisk);
  });

  it('is itself when the root is /', () => {
    const paths = new AgentPaths();
    expect(paths.onDisk('/OVS/guest')).toBe('/OVS/guest');
  });

  it('stays below the root, whatever it is', () => {
    const element = fc.oneof(fc.constantFrom('..', '.', '', 'OVS', '~', '...'), fc.string({ unit: 'binary' }));
    const paths = new AgentPaths('/tmp/one');
    fc.assert(
      fc.property(fc.array(element), elements => {
        const onDisk = paths.onDisk(`/${elements.join('/')}`);
        expect(`${onDisk}/`.startsWith('/tmp/one/')).toBe(true);
      }),
    );
  });
});

describe('a root directory', () => {
  /** What the longest socket needs below the root: /run/ovs-agent/guests/, 16 digits, /serial3. */
  const longest = 107 - '/run/ovs-agent/guests/0123456789abcdef/serial3'.length;

  it('may be as long as sockets below it allow, in bytes, and no longer', () => {
    const fits = `/${'a'.repeat(longest - 1)}`;
    expect(new AgentPaths(fits).root).toBe(fits);
    expect(() => new AgentPaths(`${fits}a`)).toThrow(/is 1 bytes too long for the sockets/);
    expect(() => new AgentPaths(`/${'é'.repeat(Math.ceil(longest / 2))}`)).toThrow(
      new RegExp(`at most ${longest} bytes`),
    );
  });

  it.each(['/tmp/a,b', '/tmp/a\nb', '/tmp/a\0b'])(
    'may not be %j, which the command line of QEMU could not hold',
    root => {
      expect(() => new AgentPaths(root)).toThrow(/comma, a line break or NUL/);
    },
  );
});
