import { quote } from '../../model/guest-path.ts';
import { mapLines, type Rewritten, withLine } from './rewritten.ts';

/** `alias NAME MODULE` of modprobe.conf(5), in its parts. */
const ALIAS = /^(\s*alias\s+)(\S+)(\s+)(\S+)(.*)$/;
const NETWORK_CARD = /^eth\d+$/;
const DISK_ADAPTER = /^scsi_hostadapter\d*$/;

/** Drivers of what the device models of Xen and QEMU emulate. Xen's own have these names in every kernel, as aliases at least. */
const EMULATED_CARDS = new Set(['8139cp', '8139too', 'e1000', 'ne2k-pci', 'ne2k_pci', 'pcnet32', 'virtio_net']);
const EMULATED_ADAPTERS = new Set(['ata_piix', 'piix', 'sym53c8xx', 'libata', 'ide-generic', 'virtio_blk', 'mptspi']);
const PARAVIRTUAL_CARD = 'xennet';
const PARAVIRTUAL_ADAPTER = 'xenblk';

/**
 * Lets Xen's drivers stand where those of emulated cards and disks are named.
 * @param isMain whether the file is /etc/modprobe.conf itself, which must name a driver for the disks: mkinitrd reads it there
 */
export function rewriteModuleAliases(text: string, path: string, isMain: boolean): Rewritten {
  const left: string[] = [];
  const changed = mapLines(text, line => {
    const [, before, name, blanks, module, rest] = ALIAS.exec(line) ?? [];
    if (name === undefined || module === undefined) return line;
    const written = (driver: string): string => `${before}${name}${blanks}${driver}${rest}`;
    if (NETWORK_CARD.test(name) && module !== PARAVIRTUAL_CARD) {
      if (EMULATED_CARDS.has(module)) return written(PARAVIRTUAL_CARD);
      left.push(undecided(path, name, module, PARAVIRTUAL_CARD));
    }
    if (DISK_ADAPTER.test(name)) {
      const isEmulated = EMULATED_ADAPTERS.has(module);
      if (isEmulated) return written(PARAVIRTUAL_ADAPTER);
      if (module !== PARAVIRTUAL_ADAPTER) left.push(undecided(path, name, module, PARAVIRTUAL_ADAPTER));
    }
    return line;
  });
  if (!isMain || namesParavirtualDisks(changed)) return { text: changed, left };
  return { text: withLine(changed, `alias scsi_hostadapter ${PARAVIRTUAL_ADAPTER}`), left };
}

function namesParavirtualDisks(text: string): boolean {
  return text.split('\n').some(line => {
    const [, , name = '', , module] = ALIAS.exec(line) ?? [];
    return DISK_ADAPTER.test(name) && module === PARAVIRTUAL_ADAPTER;
  });
}

function undecided(path: string, name: string, module: string, driver: string): string {
  return `${path} has alias ${quote(name)} for ${quote(module)}, which is no driver of an emulated device: write ${driver} if it serves a device of this guest`;
}
