import { describe, expect, it } from 'vitest';
import { guestNameOf, parseGuestPath } from '../../../src/model/guest-path.ts';

const mount = '/var/ovs/mount/0123456789abcdef0123456789ABCDEF';

describe("a guest's path", () => {
  it.each([
    ['/OVS/running_pool/guest', 'guest'],
    ['/OVS/running_pool/guest/', 'guest'],
    ['/OVS/running_pool/10_el5-64.bit+x', '10_el5-64.bit+x'],
    [`${mount}/running_pool/guest`, 'guest'],
  ])('%s names the guest %s', (text, name) => {
    expect(guestNameOf(parseGuestPath(text))).toBe(name);
  });

  it.each([
    '',
    '/',
    'guest',
    '/OVS/running_pool',
    '/OVS/running_pool/',
    '/OVS/seed_pool/guest',
    '/OVS/running_pool/..',
    '/OVS/running_pool/.hidden',
    '/OVS/running_pool/-option',
    '/OVS/running_pool/../../etc',
    '/OVS/running_pool/a/../b',
    '/OVS//running_pool/guest',
    '/OVS/running_pool//guest',
    '/OVS/running_pool/guest//',
    '/OVS/running_pool/gu est',
    '/OVS/running_pool/guest\n',
    '/OVS/running_pool/guest\0',
    '/OVS/running_pool/%2e%2e',
    '/OVS/running_pool/%252e%252e',
    '/OVS/running_pool/a;reboot',
    '/OVS/running_pool/`id`',
    '/OVS/running_pool/$(id)',
    '/OVS/running_pool/gäst',
    `/OVS/running_pool/${'x'.repeat(129)}`,
    '/etc/running_pool/guest',
    '/var/ovs/mount/0123/running_pool/guest',
    `${mount}/../running_pool/guest`,
  ])('is not %j', text => {
    expect(() => parseGuestPath(text)).toThrow(/it is not the directory of a guest; it must look like/);
  });

  it('is bounded and made readable in the message that refuses it', () => {
    const hostile = `\u001b[31m${'x'.repeat(10_000)}`;
    try {
      parseGuestPath(hostile);
    } catch (error) {
      expect((error as Error).message).not.toContain('\u001b');
      expect((error as Error).message.length).toBeLessThan(500);
    }
  });
});
