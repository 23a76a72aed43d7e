import { existsSync, readFileSync } from 'node:fs';
import { AgentError, messageOf } from '../errors.ts';
import type { Clock } from './clock.ts';
import { runCheckedCommand } from './command.ts';

/** A tap interface through which a guest's network card reaches a bridge. */
export interface Tap {
  readonly name: string;
  readonly bridge: string;
  /** Most bits per second that the guest sends. */
  readonly rateLimit: number | undefined;
}

const COMMAND_MS = 5_000;
const INTERFACE_NAME = /^[A-Za-z0-9_.-]{1,15}$/;

/** Whether a network bridge of that name is on this server. */
export function bridgeExists(name: string): boolean {
  return INTERFACE_NAME.test(name) && existsSync(`/sys/class/net/${name}/bridge`);
}

/** Whether a network interface of that name is on this server. */
export function interfaceExists(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`);
}

/** Whether frames on bridges pass the server's own firewall (br_netfilter). */
export function filtersBridges(): boolean {
  try {
    return readFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}

/**
 * To be called before anything is written down of taps: what is written down is removed one day.
 * @throws AgentError NO_RESOURCES when a bridge is not there or a name is taken
 */
export function requireRoomFor(taps: readonly Tap[]): void {
  for (const { bridge, name } of taps) {
    if (!bridgeExists(bridge)) {
      throw new AgentError(
        'NO_RESOURCES',
        `bridge ${bridge}: it is not on this server; make it, or name another in vif`,
      );
    }
    if (interfaceExists(name)) {
      throw new AgentError(
        'NO_RESOURCES',
        `network interface ${name}: it is there already; remove it, or write another vifname`,
      );
    }
  }
}

/**
 * Makes tap interfaces that last until they are removed, each a port of its bridge, with its packet size, and up. The
 * server itself gets no address on them, for the guest's network is none of its business.
 * @throws AgentError HOST when ip(8) refuses, NOT_SUPPORTED when tc(8) does; nothing is left behind
 */
export async function makeTaps(taps: readonly Tap[], clock: Clock): Promise<void> {
  if (taps.length === 0) return;
  try {
    const lines = taps.flatMap(({ bridge, name }) => [
      `tuntap add dev ${name} mode tap`,
      `link set dev ${name} addrgenmode none`,
      `link set dev ${name} mtu ${mtuOf(bridge)} master ${bridge} up`,
    ]);
    await runBatch('ip', lines, clock);
    await limitRates(taps, clock);
  } catch (error) {
    await removeTaps(
      taps.map(tap => tap.name),
      clock,
    ).catch(() => undefined);
    throw error;
  }
}

/** Removes tap interfaces; those that are not there are no failure, and others of such a name are never touched. */
export async function removeTaps(names: readonly string[], clock: Clock): Promise<void> {
  const present = names.filter(name => existsSync(`/sys/class/net/${name}/tun_flags`));
  if (present.length === 0) return;
  await runBatch(
    'ip',
    present.map(name => `link del dev ${name}`),
    clock,
  );
}

/**
 * What a guest sends comes in at its tap, where the kernel drops what is over the rate (tc-police(8)).
 * @throws AgentError HOST when the kernel lacks what is needed
 */
async function limitRates(taps: readonly Tap[], clock: Clock): Promise<void> {
  const lines = taps.flatMap(({ name, rateLimit }) => {
    if (rateLimit === undefined) return [];
    // A tenth of a second at full rate, and never less than some packets of the largest size.
    const burst = Math.max(64 * 1024, Math.ceil(rateLimit / 80));
    return [
      `qdisc add dev ${name} handle ffff: ingress`,
      `filter add dev ${name} parent ffff: protocol all prio 1 u32 match u32 0 0 action police rate ${rateLimit}bit burst ${burst} drop`,
    ];
  });
  if (lines.length === 0) return;
  try {
    await runBatch('tc', lines, clock);
  } catch (cause) {
    throw new AgentError(
      'NOT_SUPPORTED',
      `rate in vif: this server cannot limit it (${messageOf(cause)}); its kernel needs sch_ingress, cls_u32 and act_police`,
      { cause },
    );
  }
}

function mtuOf(bridge: string): number {
  return Number(readFileSync(`/sys/class/net/${bridge}/mtu`, 'utf8'));
}

/** One process for all lines: each start of one takes longer than what it does. */
async function runBatch(program: 'ip' | 'tc', lines: readonly string[], clock: Clock): Promise<void> {
  await runCheckedCommand(program, ['-batch', '-'], { timeoutMs: COMMAND_MS, input: `${lines.join('\n')}\n`, clock });
}
