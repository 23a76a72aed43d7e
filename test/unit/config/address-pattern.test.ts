import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressRules, parseAddressPatterns, type ResolveNames } from '../../../src/config/address-pattern.ts';
import { AgentError } from '../../../src/errors.ts';

const neverAsked: ResolveNames = () => Promise.reject(new Error('a name was looked up'));

function rules(allow: string, deny = '', resolveNames = neverAsked): AddressRules {
  return new AddressRules(parseAddressPatterns(allow), parseAddressPatterns(deny), resolveNames);
}

describe('the patterns of addresses', () => {
  it.each([
    ['10.1.1.1', ['10.1.1.1'], ['10.1.1.2', '10.1.1.10', '110.1.1.1', '::1']],
    ['10.1.1.*', ['10.1.1.0', '10.1.1.1', '10.1.1.255'], ['10.1.2.1', '10.1.0.255', '10.1.11.1']],
    ['10.*', ['10.0.0.0', '10.255.255.255'], ['11.0.0.0', '9.255.255.255']],
    ['10.1.1.1/24', ['10.1.1.0', '10.1.1.1', '10.1.1.255'], ['10.1.2.0', '10.1.0.255']],
    ['10.1.1.1/32', ['10.1.1.1'], ['10.1.1.0', '10.1.1.2']],
    ['10.1.1.1/31', ['10.1.1.0', '10.1.1.1'], ['10.1.1.2']],
    ['0.0.0.0/0', ['0.0.0.0', '255.255.255.255'], ['::1', '2001:db8::1']],
    ['*', ['10.1.1.1', '::1', '2001:db8::1'], []],
    ['2001:db8::1', ['2001:db8::1', '2001:0DB8:0::0001'], ['2001:db8::2', '32.1.13.184']],
    ['2001:DB8::5/32', ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff'], ['2001:db9::', '2001:db7::1']],
    ['2001:db8::/65', ['2001:db8::7fff:ffff:ffff:ffff'], ['2001:db8::8000:0:0:0']],
    ['::/0', ['::', '2001:db8::1'], ['10.1.1.1', '::ffff:10.1.1.1']],
    ['fe80::1', ['fe80::1', 'fe80::1%eth0'], ['fe80::2%eth0']],
    [' 10.1.1.1 ,\t10.2.2.*', ['10.1.1.1', '10.2.2.2'], ['10.1.1.2']],
  ])('%s lets in those it names and nobody else', (pattern, inside, outside) => {
    for (const address of inside) expect([address, rules(pattern).decide(address)]).toEqual([address, true]);
    for (const address of outside) expect([address, rules(pattern).decide(address)]).toEqual([address, false]);
  });

  it('of IPv4 never match the IPv6 address with the same bits', () => {
    expect(rules('10.1.1.0/24').decide('a01:1ff:dead::1')).toBe(false);
    expect(rules('*', 'a01:100::/24').decide('10.1.1.0')).toBe(true);
  });

  it.each([
    '::ffff:10.1.1.7',
    '::FFFF:10.1.1.7',
    '::ffff:a01:107',
    '0:0:0:0:0:ffff:0a01:0107',
    '::0:ffff:10.1.1.7',
    '::ffff:10.1.1.7%eth0',
  ])('meet the IPv4-mapped address %s as the IPv4 address it is', address => {
    expect(rules('10.1.1.*').decide(address)).toBe(true);
    expect(rules('*', '10.1.1.7').decide(address)).toBe(false);
    expect(rules('2001:db8::/32').decide(address)).toBe(false);
  });

  it.each([
    ['::ffff:10.1.1.7', '10.1.1.7', '10.1.1.8'],
    ['::ffff:a01:107', '10.1.1.7', '10.1.1.8'],
    ['::ffff:10.1.1.0/120', '10.1.1.7', '10.1.2.7'],
  ])('may be IPv4-mapped themselves: deny of %s keeps IPv4 peers out', (pattern, denied, allowed) => {
    expect(rules('*', pattern).decide(denied)).toBe(false);
    expect(rules('*', pattern).decide(`::ffff:${denied}`)).toBe(false);
    expect(rules('*', pattern).decide(allowed)).toBe(true);
  });

  it('does not take an address that only embeds an IPv4 one for that one', () => {
    for (const address of ['::10.1.1.7', '::ffff:0:10.1.1.7', '64:ff9b::10.1.1.7', '2001::ffff:a01:107']) {
      expect(rules('10.1.1.7').decide(address)).toBe(false);
    }
  });

  it.each(['all', 'any', '*,none', 'none,10.1.1.1'])('refuses the word in "%s", which is nobody’s name', text => {
    expect(() => parseAddressPatterns(text)).toThrow(AgentError);
  });

  it.each([
    '10.1.1',
    '10.1.1.256',
    '10.1.1.256/24',
    '010.1.1.1',
    '10.1.1.1/33',
    '10.1.1.1/024',
    '10.1.1.1/',
    '10.1.1.1/-1',
    '10.1.1.1/24/24',
    '10.1.1.1/255.255.255.0',
    '10.1.1.1-10.1.1.9',
    '10.*.1.1',
    '10.1.*.*',
    '300.1.1.*',
    '*.*.*.*',
    '10.1.1.x',
    '10.1.x.x',
    '10.x',
    '10.1.1.O',
    '10.1.1.l0',
    '10.1.1.nn',
    '*.1.1.xx',
    '10.1.1.1 10.1.1.2',
    '10.1.1.1;10.1.1.2',
    '10.1.1.1 #single ip',
    '0x0a010101.1',
    '2001:db8::/129',
    '2001:db8::1::2',
    'fe80::1%eth0',
    '::ffff:10.0.0.0/8',
    '2001:db8:*',
    '[::1]',
    '**',
    '*example.com',
    'a.*.example.com',
    '*.',
    '-a.example.com',
    'a-.example.com',
    'example.com-',
    '*.exämple.com',
    'exa mple.com',
    'http://example.com',
    'example.com:8899',
    `${'a'.repeat(64)}.com`,
    `${'a.'.repeat(130)}com`,
    '10.1.1.1,,10.1.1.2',
    '10.1.1.1,',
    ',',
  ])('refuses %j, naming the item and the forms there are', text => {
    const failure = ((): unknown => {
      try {
        return parseAddressPatterns(text);
      } catch (error) {
        return error;
      }
    })();
    expect(failure).toBeInstanceOf(AgentError);
    expect(failure).toMatchObject({ code: 'BAD_VALUE' });
    expect((failure as AgentError).message).toMatch(/^address pattern ".*": .*10\.1\.1\.1\/24, \*, \*\.example\.com/);
  });

  it('names the one item of a list that is wrong', () => {
    expect(() => parseAddressPatterns('10.1.1.1,10.1.1.300,*')).toThrow(/"10\.1\.1\.300"/);
  });
});

describe('the rule', () => {
  it('lets nobody in when allow is empty, by either way of writing it', () => {
    for (const nothing of ['', '  ', 'none', ' NONE ']) {
      expect(rules(nothing).decide('127.0.0.1')).toBe(false);
      expect(rules(nothing).decide('::1')).toBe(false);
      expect(rules('*', nothing).decide('127.0.0.1')).toBe(true);
    }
  });

  it('puts deny over allow, however narrow the allow and wide the deny', () => {
    expect(rules('10.1.1.1', '10.1.1.0/24').decide('10.1.1.1')).toBe(false);
    expect(rules('10.1.1.1', '*').decide('10.1.1.1')).toBe(false);
    expect(rules('*', '10.1.1.1').decide('10.1.1.1')).toBe(false);
    expect(rules('*', '10.1.1.1').decide('10.1.1.2')).toBe(true);
    expect(rules('10.1.1.1', '10.1.1.1').decide('10.1.1.1')).toBe(false);
  });

  it.each(['', 'unknown', 'localhost', '10.1.1', '/run/ovs-agent/control', '1.2.3.4:80'])(
    'does not let in %j, which is no IP address, even with allow=*',
    address => {
      expect(rules('*').decide(address)).toBe(false);
    },
  );
});

describe('the patterns of host names', () => {
  /** A resolver that knows some names, and remembers who was asked about. */
  function resolver(names: Readonly<Record<string, readonly string[]>>): {
    readonly asked: string[];
    readonly resolve: ResolveNames;
  } {
    const asked: string[] = [];
    return {
      asked,
      resolve(address) {
        asked.push(address);
        const found = names[address];
        return found ? Promise.resolve(found) : Promise.reject(new Error('ENOTFOUND'));
      },
    };
  }

  const known = {
    '10.1.1.1': ['vm1.example.com'],
    '10.1.1.2': ['other.test', 'A.B.Example.COM.'],
    '10.1.1.3': ['example.com'],
    '10.1.1.4': ['vm1.badexample.com', 'example.com.evil.test'],
    '10.1.1.5': [],
  };

  it.each([
    ['*.example.com', ['10.1.1.1', '10.1.1.2', '::ffff:10.1.1.1'], ['10.1.1.3', '10.1.1.4', '10.1.1.5', '10.1.1.6']],
    ['*.EXAMPLE.com.', ['10.1.1.1', '10.1.1.2'], ['10.1.1.3', '10.1.1.4']],
    ['example.com', ['10.1.1.3'], ['10.1.1.1', '10.1.1.2', '10.1.1.4']],
    ['vm1.example.com,other.test', ['10.1.1.1', '10.1.1.2'], ['10.1.1.3', '10.1.1.6']],
  ])('allow=%s lets in the confirmed names it matches', async (allow, inside, outside) => {
    const guard = rules(allow, '', resolver(known).resolve);
    for (const address of inside) expect([address, await guard.decide(address)]).toEqual([address, true]);
    for (const address of outside) expect([address, await guard.decide(address)]).toEqual([address, false]);
  });

  it('in deny keep out those they match, and those whose name cannot be found', async () => {
    const guard = rules('*', '*.example.com', resolver(known).resolve);
    expect(await guard.decide('10.1.1.1')).toBe(false);
    expect(await guard.decide('10.1.1.2')).toBe(false);
    expect(await guard.decide('10.1.1.3')).toBe(true);
    expect(await guard.decide('10.1.1.5')).toBe(false);
    expect(await guard.decide('10.1.1.6')).toBe(false);
  });

  it('stand beside addresses: an allowed address needs no name, a denied one is not helped by it', async () => {
    const { asked, resolve } = resolver(known);
    const guard = rules('192.168.0.0/16,*.example.com', '10.1.1.2', resolve);
    expect(guard.decide('192.168.1.1')).toBe(true);
    expect(guard.decide('10.1.1.2')).toBe(false);
    expect(asked).toEqual([]);
    expect(await guard.decide('10.1.1.1')).toBe(true);
  });

  it('are asked about the plain IPv4 address, once for both lists', async () => {
    const { asked, resolve } = resolver(known);
    expect(await rules('*.example.com', '*.test', resolve).decide('::ffff:10.1.1.1')).toBe(true);
    expect(asked).toEqual(['10.1.1.1']);
  });

  it('are not looked up where they change nothing', () => {
    expect(rules('*,*.example.com').decide('10.1.1.1')).toBe(true);
    expect(rules('*.example.com', '*').decide('10.1.1.1')).toBe(false);
    expect(rules('10.2.2.2', '*.example.com').decide('10.1.1.1')).toBe(false);
    expect(rules('*', '*,*.example.com').decide('10.1.1.1')).toBe(false);
  });

  it.each(['manager', 'x', '163.com', '4.3.2.1.pool.example.com', 'a1.co', 'vm_1.example.com'])(
    'may be one such as %s',
    async name => {
      expect(await rules(name, '', () => Promise.resolve([name.toUpperCase()])).decide('10.1.1.1')).toBe(true);
    },
  );
});

describe('any network', () => {
  const bitsOf = (address: readonly number[], width: number): string =>
    address.map(part => part.toString(2).padStart(width, '0')).join('');
  const ipv4 = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
  const ipv6 = fc.array(fc.nat(0xffff), { minLength: 8, maxLength: 8 });
  const writtenV6 = (parts: readonly number[]): string => parts.map(part => part.toString(16)).join(':');

  /** Keeps the first bits of one address and takes the others of a second, so that both answers come up often. */
  const mixed = (one: readonly number[], other: readonly number[], bits: number, width: number): number[] => {
    const text = bitsOf(one, width).slice(0, bits) + bitsOf(other, width).slice(bits);
    return one.map((_, index) => Number.parseInt(text.slice(index * width, (index + 1) * width), 2));
  };

  it('of IPv4 holds those addresses that begin with its bits, mapped or not', () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.nat(32), fc.nat(32), (network, other, prefix, shared) => {
        const address = mixed(network, other, shared, 8);
        const expected = bitsOf(network, 8).slice(0, prefix) === bitsOf(address, 8).slice(0, prefix);
        const pattern = `${network.join('.')}/${prefix}`;
        expect(rules(pattern).decide(address.join('.'))).toBe(expected);
        expect(rules('*', pattern).decide(`::ffff:${address.join('.')}`)).toBe(!expected);
      }),
    );
  });

  it('of IPv6 holds those addresses that begin with its bits', () => {
    fc.assert(
      fc.property(ipv6, ipv6, fc.nat(128), fc.nat(128), (network, other, prefix, shared) => {
        // Mapped addresses are IPv4, which has its own test.
        fc.pre(network.slice(0, 5).some(part => part !== 0));
        const address = mixed(network, other, shared, 16);
        fc.pre(address.slice(0, 5).some(part => part !== 0));
        const expected = bitsOf(network, 16).slice(0, prefix) === bitsOf(address, 16).slice(0, prefix);
        expect(rules(`${writtenV6(network)}/${prefix}`).decide(writtenV6(address))).toBe(expected);
      }),
    );
  });

  it('with a star is the network of as many bits', () => {
    fc.assert(
      fc.property(ipv4, ipv4, fc.integer({ min: 1, max: 3 }), fc.nat(32), (network, other, octets, shared) => {
        const address = mixed(network, other, shared, 8).join('.');
        const star = `${network.slice(0, octets).join('.')}.*`;
        expect(rules(star).decide(address)).toBe(rules(`${network.join('.')}/${octets * 8}`).decide(address));
      }),
    );
  });

  it('or other text is read or refused as a bad value, and opens nothing by mistake', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('*', '.', ',', '/', ':', '1', '0', '255', 'a', 'f', '%', ' ', '-') }),
    );
    fc.assert(
      fc.property(anyText, text => {
        let patterns;
        try {
          patterns = parseAddressPatterns(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_VALUE' });
          return;
        }
        const isOpen = patterns.some(pattern => pattern.kind === 'everything');
        expect(isOpen).toBe(text.split(',').some(item => item.trim() === '*'));
      }),
    );
  });
});
