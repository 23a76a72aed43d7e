import { existsSync } from 'node:fs';
import type { ProcessorShare } from '../model/guest-config.ts';
import { groupWeight } from './processor-groups.ts';

/**
 * Command before which a program runs in a systemd scope of its own, so that it outlives the agent's unit; empty where no systemd
 * runs. systemd-run(1) with --scope replaces itself by the program: the process id is that of the program.
 * @param unitName name of the scope, without its suffix
 */
export function scopeCommand(unitName: string, { capPercent, weight }: ProcessorShare): string[] {
  if (!existsSync('/run/systemd/system')) return [];
  // Asked for as properties, systemd gives the scope the controller that they need (systemd.resource-control(5)).
  const properties = [
    ...(weight === undefined ? [] : [`--property=CPUWeight=${groupWeight(weight)}`]),
    ...(capPercent === undefined ? [] : [`--property=CPUQuota=${capPercent}%`]),
  ];
  // At the shutdown of the server guests are stopped in their own way, and what runs them not before.
  const order = '--property=Before=ovs-guests.service';
  const unit = [`--unit=${unitName}`, '--slice=ovs-guests.slice', order, ...properties];
  return ['systemd-run', '--scope', '--quiet', '--collect', ...unit, '--'];
}
