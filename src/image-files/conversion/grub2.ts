import { AgentError } from '../../errors.ts';
import { defaultEntry, quoted } from '../../bootloader/grub-menu.ts';
import { parseGrub2Menu } from '../../bootloader/grub2-menu.ts';
import { parseGrubEnvironment } from '../../bootloader/loader-entries.ts';
import { withConsole, withDisksNamed } from './boot-arguments.ts';
import type { DiskNames } from './device-names.ts';
import type { RewrittenMenu } from './grub1.ts';
import { kernelSupport } from './kernels.ts';
import { mapLines, type Rewritten } from './rewritten.ts';

const LINUX_LINE = /^\s*linux(?:16|efi)?\s/;
const ARGUMENTS_SETTING = /^\s*GRUB_CMDLINE_LINUX\w*=/;

/**
 * Converts a menu of GRUB 2 (grub.cfg): kernels of its time run under Xen as they are, so that only names of disks change.
 * @param environment the text of grubenv beside it, where there is one
 * @throws AgentError NOT_SUPPORTED when its default is not known to run under Xen
 */
export function rewriteGrub2Menu(text: string, environment: string, path: string, names: DiskNames): RewrittenMenu {
  const menu = parseGrub2Menu({
    script: text,
    name: path,
    environment: parseGrubEnvironment(environment),
    // Menus of loader/entries are Red Hat's since 8, whose kernels cannot be paravirtual.
    loaderEntries: [],
  });
  const { entry } = defaultEntry(menu);
  const kernel = entry && 'kernel' in entry.boot ? entry.boot.kernel : undefined;
  const support = kernel === undefined ? undefined : kernelSupport(kernel);
  if (kernel === undefined || !support || support.kind === 'none') {
    throw new AgentError(
      'NOT_SUPPORTED',
      `convert ${path}: the kernel of its default entry ${quoted(entry?.title ?? '')} is not known to run under Xen; install one that is, and make it the default in the guest first`,
    );
  }
  const left = new Set<string>();
  const changed = mapLines(text, line =>
    LINUX_LINE.test(line) ? withConsole(withDisksNamed(line, path, names, left), support.console) : line,
  );
  return { text: changed, left: [...left], kernel, support };
}

/** Converts /etc/default/grub, from which the guest makes its menu anew with every kernel. */
export function rewriteGrub2Defaults(text: string, path: string, names: DiskNames, console: string): Rewritten {
  const left = new Set<string>();
  const changed = mapLines(text, line =>
    ARGUMENTS_SETTING.test(line) ? withConsole(withDisksNamed(line, path, names, left), console) : line,
  );
  return { text: changed, left: [...left] };
}
