import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';
import type { Sha256 } from '../transfers/checksums.ts';
import type { TransferSource } from '../transfers/source.ts';

/** Kin of distributions that lay out their trees, and name their boot arguments, in one way. */
export type TreeFamily = 'redhat' | 'debian' | 'suse';

/** What a guest boots: `xen` is a paravirtual kernel, `hvm` any. */
export interface WantedKernel {
  readonly kind: 'xen' | 'hvm';
  readonly architecture: 'x86_64' | 'i386';
}

/** A kernel and its ramdisk, as paths in a tree. */
export interface KernelPlace {
  readonly kernel: string;
  readonly ramdisk: string;
}

export interface TreeFile {
  /** Relative to the tree. */
  readonly path: string;
  readonly source: TransferSource;
  /** Undefined when the server does not tell. */
  readonly totalBytes: number | undefined;
  /** As the tree tells it. */
  readonly sha256?: Sha256;
}

export interface InstallTree {
  readonly family: TreeFamily;
  /** What the tree calls itself, such as `CentOS` and `7.9`, where it does. */
  readonly distribution?: string;
  readonly version?: string;
  readonly kernel: TreeFile;
  readonly ramdisk: TreeFile;
}

const LIMIT_CHARACTERS = 512;
const PLAIN_PATH = /^[A-Za-z0-9_][A-Za-z0-9._+~-]*(?:\/[A-Za-z0-9_][A-Za-z0-9._+~-]*)*$/;

/**
 * A path that a tree itself names. One that begins with a dot anywhere could lead out of the tree.
 * @throws AgentError NOT_SUPPORTED
 */
export function parseTreePath(text: string): string {
  if (text.length <= LIMIT_CHARACTERS && PLAIN_PATH.test(text)) return text;
  throw new AgentError(
    'NOT_SUPPORTED',
    `installation tree: it names the file ${quote(text)}, which may lie outside of it; a relative path of plain names is needed`,
  );
}
