import { BlockList, isIP, isIPv4, SocketAddress } from 'node:net';
import IPCIDR from 'ip-cidr';
import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/** One pattern of `allow` or `deny`. */
export type AddressPattern =
  | { readonly kind: 'everything' }
  | { readonly kind: 'network'; readonly family: 'ipv4' | 'ipv6'; readonly first: string; readonly last: string }
  /** `*.example.com` or a whole host name, in lower case. */
  | { readonly kind: 'name'; readonly suffix: string; readonly isWhole: boolean };

const FORMS =
  '10.1.1.1, 10.1.1.*, 10.1.1.1/24, *, *.example.com, a host name, an IPv6 address, an IPv6 network such as 2001:db8::/32';

/**
 * A host name (RFC 1123, section 2.1) whose last label begins with a letter and, behind others, has two characters or
 * more, as every top-level domain has: so 10.1.1.x, which people write for a range, is none.
 */
const HOST_NAME = /^(?=.{1,253}$)(?:[a-z]|(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z][a-z0-9-]{0,61}[a-z0-9])$/;

/** A slip of the hand in an address, such as 10.1.1.l0: a deny of it would be the name of nobody, and open. */
const BROKEN_ADDRESS = /^(?:\d+\.){2,}[^.]+$/;

/** Words that a person may write for `*` or for an empty list, and that would otherwise be host names nobody has. */
const WORDS_WITHOUT_ADDRESS = ['all', 'any', 'none'];

/**
 * Reads patterns that are separated by commas (guide, the comments of agent.ini).
 * @returns none for an empty text and for `none`
 * @throws AgentError BAD_VALUE that names the pattern and the forms there are: a rule that cannot be read never opens
 */
export function parseAddressPatterns(text: string): readonly AddressPattern[] {
  if (/^\s*(?:none\s*)?$/i.test(text)) return [];
  return text.split(',').map(item => parsePattern(item.trim()));
}

function parsePattern(text: string): AddressPattern {
  if (text === '*') return { kind: 'everything' };
  const network = networkOf(text);
  if (network !== undefined) {
    const range = new IPCIDR(network);
    return {
      kind: 'network',
      family: network.includes(':') ? 'ipv6' : 'ipv4',
      first: range.start(),
      last: range.end(),
    };
  }
  const isWhole = !text.startsWith('*.');
  const suffix = canonicalName(isWhole ? text : text.slice(2));
  const isWord = isWhole && WORDS_WITHOUT_ADDRESS.includes(suffix);
  if (HOST_NAME.test(suffix) && !BROKEN_ADDRESS.test(suffix) && !isWord) return { kind: 'name', suffix, isWhole };
  throw new AgentError('BAD_VALUE', `address pattern ${quote(text)}: it cannot be read; it must be one of ${FORMS}`);
}

/** A single address, a range with a star, or a network, as the CIDR text that the ip-cidr package reads. */
function networkOf(text: string): string | undefined {
  if (/^(?:\d{1,3}\.){1,3}\*$/.test(text)) {
    const fixed = text.slice(0, -2).split('.');
    const first = [...fixed, '0', '0', '0'].slice(0, 4).join('.');
    return isIPv4(first) ? `${first}/${fixed.length * 8}` : undefined;
  }
  const [given = '', prefix, ...rest] = text.split('/');
  const family = isIP(given);
  if (family === 0 || given.includes('%') || rest.length > 0) return undefined;
  const address = plainAddress(given);
  const mostBits = family === 4 ? 32 : 128;
  if (prefix !== undefined && !(/^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= mostBits)) return undefined;
  // Peers with IPv4-mapped addresses are met as IPv4: so must be their patterns, or a deny of one would never match.
  const mappedBits = family === 6 && isIPv4(address) ? 96 : 0;
  const bits = Number(prefix ?? mostBits) - mappedBits;
  return bits >= 0 ? `${address}/${bits}` : undefined;
}

/** The names of an address that were confirmed to belong to it: its reverse names that lead back to it. */
export type ResolveNames = (address: string) => Promise<readonly string[]>;

/**
 * Who may connect: `match(allow) and not match(deny)` (guide). An empty `allow` matches nobody.
 * An IPv4 pattern never matches an IPv6 address nor the reverse; `*` matches both. IPv4-mapped addresses are IPv4.
 */
export class AddressRules {
  readonly #allow: PatternList;
  readonly #deny: PatternList;
  readonly #resolveNames: ResolveNames;

  constructor(allow: readonly AddressPattern[], deny: readonly AddressPattern[], resolveNames: ResolveNames) {
    this.#allow = new PatternList(allow);
    this.#deny = new PatternList(deny);
    this.#resolveNames = resolveNames;
  }

  /**
   * Decides at once wherever names do not matter. An address whose names cannot be found has none: it matches no name
   * in `allow`; where `deny` has names it is kept out, because it may be one of those. A text that is no IP address
   * may not connect.
   */
  decide(remoteAddress: string): boolean | Promise<boolean> {
    const address = plainAddress(remoteAddress);
    if (isIP(address) === 0 || this.#deny.matchesAddress(address)) return false;
    const isAllowed = this.#allow.matchesAddress(address);
    if (!isAllowed && !this.#allow.hasNames) return false;
    if (isAllowed && !this.#deny.hasNames) return true;
    return this.#decideByNames(address, isAllowed);
  }

  async #decideByNames(address: string, isAllowed: boolean): Promise<boolean> {
    const names = await this.#resolveNames(address).catch(() => []);
    if (this.#deny.hasNames && (names.length === 0 || this.#deny.matchesNames(names))) return false;
    return isAllowed || this.#allow.matchesNames(names);
  }
}

class PatternList {
  readonly #isEverything: boolean;
  /** Only where there is one to look at: a list costs as much as all the rest of a decision, even when it is empty. */
  readonly #addresses: BlockList | undefined;
  readonly #names: readonly Extract<AddressPattern, { kind: 'name' }>[];

  constructor(patterns: readonly AddressPattern[]) {
    this.#isEverything = patterns.some(pattern => pattern.kind === 'everything');
    this.#names = patterns.filter(pattern => pattern.kind === 'name');
    const networks = patterns.filter(pattern => pattern.kind === 'network');
    if (networks.length === 0) return;
    this.#addresses = new BlockList();
    for (const { family, first, last } of networks) this.#addresses.addRange(first, last, family);
  }

  get hasNames(): boolean {
    return this.#names.length > 0;
  }

  matchesAddress(address: string): boolean {
    return this.#isEverything || (this.#addresses?.check(address, isIPv4(address) ? 'ipv4' : 'ipv6') ?? false);
  }

  matchesNames(names: readonly string[]): boolean {
    return names
      .map(canonicalName)
      .some(name =>
        this.#names.some(({ isWhole, suffix }) => (isWhole ? name === suffix : name.endsWith(`.${suffix}`))),
      );
  }
}

/** Host names know no case, and may end with the dot of the root (RFC 1034, section 3.1). */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/**
 * In the canonical form, which has no zone; an IPv4-mapped IPv6 address as the IPv4 address it is (RFC 4291, section
 * 2.5.5.2). Any other text as it is.
 */
function plainAddress(address: string): string {
  if (isIP(address) !== 6) return address;
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return canonical.startsWith('::ffff:') && canonical.includes('.') ? canonical.slice('::ffff:'.length) : canonical;
}
