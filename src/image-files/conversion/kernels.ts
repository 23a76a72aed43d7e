/** How a kernel can run as a paravirtual guest of Xen. */
export interface KernelSupport {
  /**
   * `named`: it was built for that, and its name says so (kernel-xen, UEK). `general`: it can, as those of its kind can.
   * `none`: it cannot, or nothing tells.
   */
  readonly kind: 'named' | 'general' | 'none';
  /** Name of the console in it, such as `hvc0`. */
  readonly console: string;
}

/** Version and release of a file such as `/boot/vmlinuz-2.6.18-164.el5xen`. */
const KERNEL_FILE = /(?:^|\/)(?:vmlinu[xz]|kernel|linux)-(\d+(?:\.\d+)*)(\S*)$/;

/** Xen's own patches, which SUSE carried on for its `-xen` kernels, call their console xvc0; paravirt_ops calls it hvc0. */
const OLD_CONSOLE = 'xvc0';
const CONSOLE = 'hvc0';

/**
 * Red Hat took paravirtual guests out of its kernels from 8 on. Before, 2.6.32 and later can; others of that age differ from
 * distribution to distribution, and count as unable.
 */
export function kernelSupport(file: string): KernelSupport {
  const [, version, release = ''] = KERNEL_FILE.exec(file) ?? [];
  if (version === undefined) {
    // Names without a version: SLES has vmlinuz-xen as a link.
    return /-xen$/i.test(file) ? { kind: 'named', console: OLD_CONSOLE } : { kind: 'none', console: CONSOLE };
  }
  const isOld = compareVersions(version, '2.6.32') < 0;
  const isPatched = /xen/i.test(release);
  const console = isPatched && (isOld || release.endsWith('-xen')) ? OLD_CONSOLE : CONSOLE;
  if (isPatched || release.includes('uek')) return { kind: 'named', console };
  if (/\.el(?:[89]|\d\d)/.test(release)) return { kind: 'none', console };
  const isGeneral = compareVersions(version, '3.0') >= 0 || (!isOld && release.includes('.el6'));
  return { kind: isGeneral ? 'general' : 'none', console };
}

/** Whole version of a kernel file, for comparing; empty when its name has none. */
export function kernelVersion(file: string): string {
  const [, version = '', release = ''] = KERNEL_FILE.exec(file) ?? [];
  return `${version}${release}`;
}

/** Compares number by number, as `sort -V` does in the main. @returns below 0 when the first is older */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map(text => (text.match(/\d+/g) ?? []).map(Number)) as [number[], number[]];
  const length = Math.max(left.length, right.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
