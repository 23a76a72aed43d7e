import { describe, expect, it } from 'vitest';
import * as kinds from '../../../src/config/setting-kinds.ts';

/** Names that every object has: none of them is a value of anything. */
const inherited = ['constructor', 'toString', '__proto__', 'valueOf'];

function expectRefused(kind: kinds.SettingKind<unknown>, texts: readonly string[]): void {
  for (const text of texts) expect([text, kind.parse(text)]).toEqual([text, undefined]);
}

describe('a switch', () => {
  it('is enable or disable, and nothing else', () => {
    const kind = kinds.enabled();
    expect(kind.parse('enable')).toBe(true);
    expect(kind.parse('disable')).toBe(false);
    expectRefused(kind, ['', 'yes', 'true', '1', 'Enable', 'enabled', ...inherited]);
  });
});

describe('a choice', () => {
  it('of words is one of them', () => {
    const kind = kinds.choice('auto', 'xen');
    expect(kind.parse('xen')).toBe('xen');
    expectRefused(kind, ['', 'Xen', 'qemu', 'auto,xen', ...inherited]);
    expect(kind.expected).toBe('one of auto, xen');
  });

  it('of numbers is one of them as it is written', () => {
    const kind = kinds.integerChoice('bits', 2048, 3072);
    expect(kind.parse('3072')).toBe(3072);
    expectRefused(kind, ['', '1024', '4096', '02048', '2048.0', '2e3']);
    expect(kind.expected).toBe('a number of bits, one of 2048, 3072');
  });
});

describe('a whole number', () => {
  it('lies within its range, the ends included', () => {
    const kind = kinds.integer(5, 70, 'days');
    expect(['5', '42', '70'].map(text => kind.parse(text))).toEqual([5, 42, 70]);
    expectRefused(kind, ['4', '71', '', '-5', '+5', '5.0', '5 days', '0x10', '1e1', '٥', '9'.repeat(400), 'NaN']);
    expect(kind.expected).toBe('a whole number of days from 5 to 70');
  });
});

describe('a time', () => {
  it('may be 0 where that stands for never, and no less than the least otherwise', () => {
    const kind = kinds.secondsOrNever(1, 60);
    expect(['0', '1', '2.5', '60'].map(text => kind.parse(text))).toEqual([0, 1000, 2500, 60_000]);
    expectRefused(kind, ['', '0.5', '61', '-1', '00', 'never', ...inherited]);
    expect(kind.expected).toBe('a number of seconds from 1 to 60, or 0 for never');
  });

  it('is written in seconds, with fractions, and held in milliseconds', () => {
    const kind = kinds.seconds(0.1, 600);
    expect(['0.1', '10', '0.25', '600', '1.001'].map(text => kind.parse(text))).toEqual([
      100, 10_000, 250, 600_000, 1001,
    ]);
    expectRefused(kind, ['0', '0.09', '600.001', '', '.5', '5.', '-1', '10s', '1e2', 'Infinity', '0.1234']);
  });
});

describe('a size', () => {
  it('is written in bytes or with a unit, and held in bytes', () => {
    const kind = kinds.bytes(1024, 2 ** 30);
    expect(['1024', '1KiB', '64 KiB', '4MiB', '1GiB'].map(text => kind.parse(text))).toEqual([
      1024,
      1024,
      65_536,
      4_194_304,
      2 ** 30,
    ]);
    expectRefused(kind, [
      '1023',
      '0KiB',
      '2GiB',
      '1073741825',
      '',
      'KiB',
      '1kib',
      '1KB',
      '1K',
      '1.5MiB',
      '-1MiB',
      '1TiB',
    ]);
    expect(kind.expected).toBe('a size from 1KiB to 1GiB, in bytes or with the unit KiB, MiB or GiB');
  });
});

describe('the addresses to listen on', () => {
  it('are IP addresses of either family, each once', () => {
    const kind = kinds.ipAddresses();
    expect(kind.parse('0.0.0.0,::')).toEqual(['0.0.0.0', '::']);
    expect(kind.parse(' 127.0.0.1 , fe80::1%eth0 ')).toEqual(['127.0.0.1', 'fe80::1%eth0']);
    expectRefused(kind, ['', ',', '127.0.0.1,', 'localhost', '*', '127.0.0.1:80', '0.0.0.0,0.0.0.0', '10.1.1.0/24']);
  });
});

describe('the address of this server', () => {
  it('is one that others can reach, or is left to be found', () => {
    const kind = kinds.optionalIpAddress();
    expect(kind.parse('')).toBeNull();
    expect(kind.parse('10.1.1.1')).toBe('10.1.1.1');
    expect(kind.parse('2001:db8::1')).toBe('2001:db8::1');
    expectRefused(kind, ['0.0.0.0', '::', '0:0::0', 'fe80::1%eth0', 'server', '10.1.1.1,10.1.1.2', '10.1.1.1;rm']);
  });
});

describe('a list of directories', () => {
  it('holds absolute paths that cannot climb', () => {
    const kind = kinds.directories();
    expect(kind.parse('')).toEqual([]);
    expect(kind.parse('/boot, /srv/guest kernels')).toEqual(['/boot', '/srv/guest kernels']);
    expectRefused(kind, ['boot', './boot', '/', '//', '/./', '/boot/..', '/boot/../etc', '/boot,', '/a\0b', '/boot,/']);
  });
});

describe('a program', () => {
  it('is a name for the search path or an absolute path', () => {
    const kind = kinds.program();
    for (const text of ['qemu-system-x86_64', '/usr/bin/qemu-system-x86_64', '/opt/qemu-9.1/g++']) {
      expect(kind.parse(text)).toBe(text);
    }
    expectRefused(kind, [
      '',
      'qemu -x',
      '/usr/bin/',
      './qemu',
      'bin/qemu',
      '-version',
      '..',
      '/bin/..',
      'a;b',
      '$(a)',
      'a\nb',
    ]);
  });
});

describe('the ports for VNC', () => {
  it('are a range that begins at 5900 or above', () => {
    const kind = kinds.vncPortRange();
    expect(kind.parse('5900-5999')).toEqual({ first: 5900, last: 5999 });
    expect(kind.parse('65535-65535')).toEqual({ first: 65_535, last: 65_535 });
    expectRefused(kind, ['', '5900', '5899-5999', '6000-5900', '5900-65536', '5900 - 5999', '-5900', '5900-']);
  });
});
