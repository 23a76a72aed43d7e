import type { GuestPath } from '../model/guest-path.ts';

/** What is known of a disk by looking at it from outside: a change of either tells that somebody wrote to it. */
export interface DiskStamp {
  readonly target: string;
  readonly source: string;
  readonly size: number;
  readonly modifiedMs: number;
}

/** What a state file says of itself. */
export interface StateHeader {
  /** Version of the agent that wrote it. */
  readonly agentVersion: string;
  readonly hypervisor: string;
  readonly hypervisorVersion: string;
  readonly path: GuestPath;
  readonly name: string;
  readonly uuid: string;
  /** Digest of what the guest file said. */
  readonly configDigest: string;
  /** Which run of the guest it is of. */
  readonly runId: string;
  /** ISO 8601. */
  readonly savedAt: string;
  readonly memoryMib: number;
  readonly wasPaused: boolean;
  readonly payloadBytes: number;
  /** SHA-256 of the payload, in hexadecimal digits. */
  readonly checksum: string;
  readonly disks: readonly DiskStamp[];
}

/** The guest as it is now. */
export interface RestoreFacts {
  readonly path: GuestPath;
  readonly uuid: string;
  readonly configDigest: string;
  /** Its last run; undefined where its record does not go back so far. */
  readonly runId: string | undefined;
  readonly hypervisor: string;
  readonly hypervisorVersion: string;
  readonly disks: readonly DiskStamp[];
}

/**
 * Why a guest cannot be brought back from a state, as the rest of a sentence. Memory remembers what is on the disks: with
 * disks that have moved on it would damage them.
 */
export function whyNotRestorable(header: StateHeader, now: RestoreFacts): string | undefined {
  if (header.path !== now.path || header.uuid !== now.uuid) {
    return `it is of another guest (${header.path}, uuid ${header.uuid})`;
  }
  if (header.configDigest !== now.configDigest) {
    return 'it was made with another configuration; make vm.cfg what it was then';
  }
  if (now.runId !== undefined && header.runId !== now.runId)
    return `it is outdated: the guest has run since ${header.savedAt}`;
  if (
    header.hypervisor !== now.hypervisor ||
    releaseOf(header.hypervisorVersion) !== releaseOf(now.hypervisorVersion)
  ) {
    return `${header.hypervisor} ${header.hypervisorVersion} wrote it, and here is ${now.hypervisor} ${now.hypervisorVersion}`;
  }
  const changed = header.disks.find(disk => !now.disks.some(other => isSame(disk, other)));
  return changed && `it is outdated: disk ${changed.target} (${changed.source}) was changed since ${header.savedAt}`;
}

function isSame(one: DiskStamp, other: DiskStamp): boolean {
  return (
    one.target === other.target &&
    one.source === other.source &&
    one.size === other.size &&
    one.modifiedMs === other.modifiedMs
  );
}

/** Major and minor number: bugs are mended within a release, and machines stay what they are. */
function releaseOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
