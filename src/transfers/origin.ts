import type { Readable } from 'node:stream';
import type { Clock } from '../host/clock.ts';

/** A file of an NFS server, reached through a mount. */
export interface MountedFile {
  /** Absolute path of it on this server. */
  readonly path: string;
  /** Called once, when it is no longer needed. */
  release(): Promise<void>;
}

/** What all ways of bringing a file have in common. */
export interface ReachOptions {
  readonly clock: Clock;
  /** Gives the transfer up. */
  readonly signal?: AbortSignal;
  /** How long a server may say nothing, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** File with certificates (PEM) of authorities that are trusted besides the known ones. */
  readonly authoritiesFile?: string;
  /** Makes a file or directory of an NFS server reachable; NFS sources are refused without it. */
  readonly openNfs?: (host: string, path: string) => Promise<MountedFile>;
}

/**
 * A file that was found, and can be read from any place on. A failure that is an AgentError is final; any other means that the
 * transfer broke and may be taken up again where it broke.
 */
export interface Origin {
  /** Undefined when the server does not tell. */
  readonly totalBytes: number | undefined;
  /** Bytes from `offset` to the end, of the same file as before. */
  openAt(offset: number, signal: AbortSignal): Promise<Readable>;
  close(): Promise<void>;
}

/** A transfer that stopped for a reason that may pass. */
export class BrokenTransfer extends Error {
  override readonly name = 'BrokenTransfer';
  /** Whether nothing came for too long, rather than that the connection failed. */
  readonly isIdle: boolean;

  constructor(message: string, options?: { readonly isIdle?: boolean; readonly cause?: unknown }) {
    super(message, { cause: options?.cause });
    this.isIdle = options?.isIdle ?? false;
  }
}
