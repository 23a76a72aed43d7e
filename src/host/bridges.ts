import { existsSync } from 'node:fs';
import { AgentError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { runCheckedCommand } from './command.ts';

/** Whether a network bridge of that name is on this server. */
export function bridgeExists(name: string): boolean {
  return /^[A-Za-z0-9_.-]{1,15}$/.test(name) && existsSync(`/sys/class/net/${name}/bridge`);
}

/**
 * Makes a network interface a port of a bridge and brings it up.
 * @throws AgentError HOST when ip(8) refuses, NO_RESOURCES when there is no such bridge
 */
export async function attachToBridge(networkInterface: string, bridge: string, clock: Clock): Promise<void> {
  if (!bridgeExists(bridge)) {
    throw new AgentError('NO_RESOURCES', `bridge ${bridge}: it is not on this server; make it, or name another in vif`);
  }
  await runCheckedCommand('ip', ['link', 'set', 'dev', networkInterface, 'master', bridge, 'up'], {
    timeoutMs: 5000,
    clock,
  });
}
