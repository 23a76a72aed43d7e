import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../errors.ts';
import type { ProcessorShare } from '../model/guest-config.ts';

/** Where Linux shows control groups of the second version (cgroups(7)). */
const CGROUP_ROOT = '/sys/fs/cgroup';
/** Group of all guests' groups where no service manager makes them. */
const PARENT = 'ovs-guests';
const PERIOD_MICROSECONDS = 100_000;
/** Xen's usual weight, and that of control groups (xl.cfg(5), cgroup-v2 "cpu.weight"). */
const XEN_WEIGHT = 256;
const GROUP_WEIGHT = 100;

/** Why shares of processor time cannot be given out here; undefined when they can. */
export function whyNoProcessorShares(root = CGROUP_ROOT): string | undefined {
  try {
    const controllers = readFileSync(join(root, 'cgroup.controllers'), 'utf8').trim().split(' ');
    return controllers.includes('cpu') ? undefined : 'its control groups lack the cpu controller';
  } catch {
    return 'it has no control groups of version 2';
  }
}

/**
 * Gives a process and what it starts a share of processor time: in its own group where a service manager made one, else
 * in one that is made here.
 * @param name of the group, and of its service manager's unit without `.scope`
 * @returns why it could not be done
 */
export function setProcessorShare(
  processId: number,
  name: string,
  share: ProcessorShare,
  root = CGROUP_ROOT,
): string | undefined {
  if (share.weight === undefined && share.capPercent === undefined) return undefined;
  const reason = whyNoProcessorShares(root);
  if (reason !== undefined) return reason;
  try {
    const group = findOwnGroup(processId, name, root) ?? makeGroup(processId, name, root);
    writeFileSync(join(group, 'cpu.weight'), String(groupWeight(share.weight ?? XEN_WEIGHT)));
    writeFileSync(join(group, 'cpu.max'), limitOf(share.capPercent));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Removes a group that was made here, once its processes have ended. */
export function removeProcessorGroup(name: string, root = CGROUP_ROOT): void {
  try {
    rmdirSync(join(root, PARENT, name));
  } catch {
    // It was never made, or the service manager's.
  }
}

/** Weights of Xen are 1 to 65535 around 256, those of control groups 1 to 10000 around 100. */
export function groupWeight(weight: number): number {
  return Math.min(10_000, Math.max(1, Math.round((weight * GROUP_WEIGHT) / XEN_WEIGHT)));
}

function limitOf(capPercent: number | undefined): string {
  const quota = capPercent === undefined ? 'max' : Math.round((capPercent * PERIOD_MICROSECONDS) / 100);
  return `${quota} ${PERIOD_MICROSECONDS}`;
}

function findOwnGroup(processId: number, name: string, root: string): string | undefined {
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${processId}/cgroup`, 'utf8'))?.[1];
  return path?.endsWith(`/${name}.scope`) ? join(root, path) : undefined;
}

function makeGroup(processId: number, name: string, root: string): string {
  const parent = join(root, PARENT);
  const group = join(parent, name);
  writeFileSync(join(root, 'cgroup.subtree_control'), '+cpu');
  if (!existsSync(parent)) mkdirSync(parent);
  writeFileSync(join(parent, 'cgroup.subtree_control'), '+cpu');
  if (!existsSync(group)) mkdirSync(group);
  writeFileSync(join(group, 'cgroup.procs'), String(processId));
  return group;
}
