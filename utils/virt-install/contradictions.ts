import { AgentError } from '../../src/errors.ts';
import { quote } from '../../src/model/guest-path.ts';
import type { InstallOptions } from './options.ts';

type Given = (options: InstallOptions) => boolean;

/** What cannot be, and the sentence that says so: those of virt-install and cli.py of python-virtinst, where they have one. */
const CONTRADICTIONS: readonly (readonly [Given, string])[] = [
  [({ hvm, paravirt }) => hvm === true && paravirt === true, "Can't do both --hvm and --paravirt"],
  [
    ({ cdrom, location, pxe }) => [cdrom, location, pxe].filter(isGiven).length > 1,
    'Only one of --pxe, --location and --cdrom can be used',
  ],
  [
    options => options.import === true && [options.cdrom, options.location, options.pxe].some(isGiven),
    'Only one of --import, --pxe, --location and --cdrom can be used',
  ],
  [
    ({ paravirt, pxe }) => paravirt === true && isGiven(pxe),
    'Network PXE boot is not support for paravirtualized guests',
  ],
  [
    ({ livecd, paravirt }) => livecd === true && paravirt === true,
    'LiveCD installations are not supported for paravirt guests',
  ],
  [({ livecd, location, pxe }) => livecd === true && (isGiven(location) || isGiven(pxe)), '--livecd needs --cdrom'],
  [options => options.livecd === true && options.import === true, 'Only one of --livecd and --import can be used'],
  [
    ({ hvm, location }) => hvm === true && isGiven(location),
    '--location is for paravirtualized guests; a fully virtualized one is installed with --cdrom or --pxe',
  ],
  [
    ({ cdrom, paravirt }) => paravirt === true && isGiven(cdrom),
    '--cdrom is for fully virtualized guests; a paravirtualized one is installed with --location',
  ],
  [
    ({ extraArgs, location, paravirt }) => isGiven(extraArgs) && !isGiven(location) && paravirt !== true,
    '--extra-args goes to the kernel of --location; give it as well',
  ],
  [
    ({ noacpi, noapic, paravirt }) => paravirt === true && (noacpi === true || noapic === true),
    '--noapic and --noacpi are for fully virtualized guests',
  ],
  [
    ({ file, fileSize, nodisks }) => nodisks === true && (isGiven(file) || isGiven(fileSize)),
    'Cannot use --file with --nodisks',
  ],
  [
    ({ file, fileSize }) => file !== undefined && fileSize !== undefined && file.length !== fileSize.length,
    'Need to pass size for each disk',
  ],
  [({ bridge, network }) => isGiven(bridge) && isGiven(network), 'Cannot mix both --bridge and --network arguments'],
  [
    ({ bridge, mac, network, nonetworks }) => nonetworks === true && [bridge, mac, network].some(isGiven),
    'Cannot use --bridge, --mac or --network with --nonetworks',
  ],
  [
    ({ bridge, mac, network }) => mac !== undefined && mac.length !== (bridge ?? network ?? ['one']).length,
    'Need to pass equal numbers of networks & mac addresses',
  ],
  [({ nographics, vnc }) => vnc === true && nographics === true, "Can't do both VNC graphics and nographics"],
  [({ sdl, vnc }) => vnc === true && sdl === true, "Can't do both VNC graphics and SDL"],
  [({ nographics, sdl }) => sdl === true && nographics === true, "Can't do both SDL and nographics"],
  [
    ({ nographics, sdl, vncport }) => isGiven(vncport) && (sdl === true || nographics === true),
    '--vncport needs --vnc',
  ],
  [({ force, prompt }) => force === true && prompt === true, "Can't do both --force and --prompt"],
];

/**
 * Refuses options that contradict each other, before anything is asked.
 * @throws AgentError BAD_VALUE
 */
export function refuseContradictions(options: InstallOptions): void {
  const found = CONTRADICTIONS.find(([holds]) => holds(options));
  if (found) throw new AgentError('BAD_VALUE', found[1]);
  const { connect } = options;
  if (connect !== undefined && !/^xen(?:$|:)/i.test(connect)) {
    throw new AgentError(
      'BAD_VALUE',
      `--connect ${quote(connect)}: guests are made on this server by its own agent; leave it out, or write xen`,
    );
  }
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false;
}
