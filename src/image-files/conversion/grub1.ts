import { AgentError } from '../../errors.ts';
import { type BootEntry, type BootMenu, defaultEntry } from '../../bootloader/grub-menu.ts';
import { parseGrub1Menu } from '../../bootloader/grub1-menu.ts';
import { withConsole, withDisksNamed } from './boot-arguments.ts';
import type { DiskNames } from './device-names.ts';
import { compareVersions, type KernelSupport, kernelSupport, kernelVersion } from './kernels.ts';
import { mapLines, type Rewritten } from './rewritten.ts';

export interface RewrittenMenu extends Rewritten {
  /** The kernel that the guest boots from then on. */
  readonly kernel: string;
  readonly support: KernelSupport;
}

const TITLE = /^\s*title(?:[\s=]|$)/;
const DEFAULT = /^(\s*default(?:\s*=\s*|\s+))(\S+)(.*)$/;
/** Commands with arguments of Linux, and the comments from which Debian's update-grub makes them. */
const LINUX_LINE = /^\s*(?:kernel|module|modulenounzip)[\s=]|^#\s*(?:xen)?kopt\w*=/;

/**
 * Converts a menu of GRUB 1 (grub.conf, menu.lst): its default becomes the newest kernel that was built for Xen, or where there
 * is none, stays if its kernel can run as a paravirtual guest.
 * @param path of the file in the guest
 * @throws AgentError NOT_SUPPORTED when no entry has a kernel with Xen support
 */
export function rewriteGrub1Menu(text: string, path: string, names: DiskNames): RewrittenMenu {
  const menu = parseGrub1Menu(text, path);
  const chosen = chooseEntry(menu, path);
  const left = new Set<string>();
  let entry = -1;
  const changed = mapLines(text, line => {
    if (TITLE.test(line)) entry += 1;
    const [, before, , rest] = entry < 0 ? (DEFAULT.exec(line) ?? []) : [];
    if (before !== undefined) return `${before}${chosen.index}${rest}`;
    if (!LINUX_LINE.test(line)) return line;
    const named = withDisksNamed(line, path, names, left);
    return entry === chosen.index ? withConsole(named, chosen.support.console) : named;
  });
  const complete = menu.defaultEntry !== '' || chosen.index === 0 ? changed : `default=${chosen.index}\n${changed}`;
  return { text: complete, left: [...left], kernel: chosen.kernel, support: chosen.support };
}

export interface BootableEntry {
  readonly index: number;
  readonly kernel: string;
  readonly support: KernelSupport;
}

/**
 * The entry that a paravirtual guest is to boot.
 * @throws AgentError NOT_SUPPORTED when there is none
 */
export function chooseEntry(menu: BootMenu, path: string): BootableEntry {
  const entries = menu.entries.flatMap((entry, index) => bootable(entry, index));
  const named = entries.filter(({ support }) => support.kind === 'named');
  const [newest] = named.sort((one, other) => compareVersions(kernelVersion(other.kernel), kernelVersion(one.kernel)));
  if (newest) return newest;
  const standard = menu.entries.length === 0 ? undefined : defaultEntry(menu).entry;
  const general = entries.find(({ index, support }) => menu.entries[index] === standard && support.kind === 'general');
  if (general) return general;
  throw new AgentError(
    'NOT_SUPPORTED',
    `convert ${path}: none of its entries has a kernel that is known to run under Xen; install kernel-xen or the Unbreakable Enterprise Kernel in the guest first`,
  );
}

function bootable(entry: BootEntry, index: number): BootableEntry[] {
  if ('refusal' in entry.boot) return [];
  const { kernel } = entry.boot;
  return [{ index, kernel, support: kernelSupport(kernel) }];
}
