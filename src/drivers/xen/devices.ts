import { AgentError } from '../../errors.ts';
import type { Disk, GuestConfig, NetworkInterface } from '../../model/guest-config.ts';

/** Bridge of cards that name none, as xl has it (xl.conf(5), vif.default.bridge). */
export const STANDARD_BRIDGE = 'xenbr0';

/**
 * One disk as xl takes it in a domain file and on its command line (xl-disk-configuration(5)). The target is last, for all that
 * follows `target=` belongs to it.
 * @throws AgentError NOT_SUPPORTED where it has no such form
 */
export function diskSpecification(disk: Disk, kind: GuestConfig['kind']): string {
  const reason = whyNoDisk(disk);
  if (reason !== undefined) throw new AgentError('NOT_SUPPORTED', `use disk ${disk.target}: ${reason}`);
  const { format, isCdrom, mode, source, target } = disk;
  return [
    `format=${format}`,
    `vdev=${target}`,
    `access=${mode === 'r' ? 'ro' : 'rw'}`,
    // To a paravirtual guest a CD-ROM is a disk that cannot be written.
    ...(isCdrom && kind === 'hvm' ? ['devtype=cdrom'] : []),
    ...(source === undefined ? [] : [`target=${source}`]),
  ].join(',');
}

/** xl ends the path at the end of a line and reads what follows as further options, a script to run among them. */
export function whyNoDisk({ source = '', target }: Disk): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const isMisread = /[\u0000-\u001f\u007f]|,$/.test(source);
  return isMisread
    ? `the path of the image of ${target} holds a control character or ends in a comma, which Xen reads as something else; rename the image`
    : undefined;
}

/** One network card (xl-network-configuration(5)). */
export function cardSpecification(card: NetworkInterface, kind: GuestConfig['kind']): string {
  const { bridge, hostName, mac, model, rateLimit } = card;
  return [
    `mac=${mac}`,
    `bridge=${bridge ?? STANDARD_BRIDGE}`,
    ...(kind === 'hvm' ? [`type=${card.kind === 'emulated' ? 'ioemu' : 'vif'}`] : []),
    ...(model === undefined || kind !== 'hvm' ? [] : [`model=${model}`]),
    ...(hostName === undefined ? [] : [`vifname=${hostName}`]),
    ...(rateLimit === undefined ? [] : [`rate=${Math.max(1, Math.round(rateLimit / 1000))}Kb/s`]),
  ].join(',');
}

/** Whether a drive is there though nothing is in it: a paravirtual guest loses the disk with the medium. */
export function isThere(disk: Disk, kind: GuestConfig['kind']): boolean {
  return disk.source !== undefined || kind === 'hvm';
}

/** Drives of a machine with firmware in which nothing is, as xl names them. */
export function emptyDrivesOf({ disks, kind }: GuestConfig): readonly string[] {
  return kind === 'hvm' ? disks.filter(({ source }) => source === undefined).map(({ target }) => target) : [];
}
