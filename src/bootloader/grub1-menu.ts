import { AgentError } from '../errors.ts';
import { type BootEntry, type BootMenu, bootFiles, menuLimits, plainText } from './grub-menu.ts';

/** A command of GRUB 1: its name, an equals sign or blanks, its arguments as they are (GRUB 0.97 manual, "Configuration"). */
const COMMAND = /^([a-z]+)(?:[ \t]*=[ \t]*|[ \t]+|$)(.*)$/s;
/** Options before the file of `kernel` and `module`: --type=linux, --no-mem-option. */
const FILE_AND_ARGUMENTS = /^(?:--\S+[ \t]+)*(\S+)(?:[ \t]+(.*))?$/s;

interface OpenEntry {
  readonly title: string;
  kernel: string | undefined;
  readonly modules: string[];
  readonly ramdisks: string[];
}

/**
 * The menu of GRUB 1 (menu.lst, grub.conf).
 * @param name of the file, for messages
 * @throws AgentError NOT_SUPPORTED when it has too many entries
 */
export function parseGrub1Menu(text: string, name: string): BootMenu {
  const entries: BootEntry[] = [];
  let defaultEntry = '';
  let open: OpenEntry | undefined;
  const close = (): void => {
    if (!open) return;
    if (entries.length === menuLimits.entries) {
      throw new AgentError(
        'NOT_SUPPORTED',
        `read ${name}: it has more than ${menuLimits.entries} entries; a shorter menu is needed`,
      );
    }
    entries.push(closed(open, entries.length));
  };
  for (const line of text.replaceAll(/\\\r?\n/g, ' ').split('\n')) {
    const [, command, value = ''] = COMMAND.exec(line.trim()) ?? [];
    if (command === 'title') {
      close();
      open = { title: plainText(value), kernel: undefined, modules: [], ramdisks: [] };
    } else if (open) {
      if (command === 'kernel') open.kernel = value;
      if (command === 'module' || command === 'modulenounzip') open.modules.push(value);
      if (command === 'initrd') open.ramdisks.push(...value.split(/[ \t]+/));
    } else if (command === 'default') {
      defaultEntry = value;
    }
  }
  close();
  return { entries, defaultEntry };
}

/** Of an entry that boots Xen, the first module is the kernel and the others are its ramdisks. */
function closed({ title, kernel, modules, ramdisks }: OpenEntry, index: number): BootEntry {
  const [first, ...others] = modules;
  const [, file, commandLine = ''] = FILE_AND_ARGUMENTS.exec(first ?? kernel ?? '') ?? [];
  const loaded = first === undefined ? ramdisks : others.map(module => FILE_AND_ARGUMENTS.exec(module)?.[1] ?? module);
  const boot = file === undefined ? { refusal: 'it names no kernel' } : bootFiles(file, loaded, commandLine);
  return { title, trail: [{ index, title, id: undefined }], boot };
}
