import type { KernelPlace, TreeFamily, WantedKernel } from './install-tree.ts';

/** A place at which trees of a family have their kernel. */
export interface KnownPlace extends KernelPlace {
  readonly family: TreeFamily;
}

type Architecture = WantedKernel['architecture'];

/** As Debian names them. */
const DEBIAN_NAMES = { x86_64: 'amd64', i386: 'i386' };
const DEBIAN_DISC_DIRECTORIES = { x86_64: 'install.amd', i386: 'install.386' };

/** Where trees have their kernels. For `xen` those that are built for it come first; the others do it as well where they have pv_ops. */
export function knownPlaces({ architecture, kind }: WantedKernel): readonly KnownPlace[] {
  const installer = `installer-${DEBIAN_NAMES[architecture]}/current`;
  const disc = DEBIAN_DISC_DIRECTORIES[architecture];
  // The directory that is named may be that of the installer, as Debian's manual has it, or of the suite around it.
  const installers = ['current', `main/${installer}`];
  const xen = [
    redHat('images/xen'),
    suse(`boot/${architecture}`, 'vmlinuz-xen', 'initrd-xen'),
    debian(`${disc}/xen`, 'vmlinuz'),
    debian('install/netboot/xen', 'vmlinuz'),
    ...installers.flatMap(xenInstaller),
  ];
  const all = [
    redHat('images/pxeboot'),
    redHat('isolinux'),
    suse(`boot/${architecture}/loader`, 'linux', 'initrd'),
    debian(disc, 'vmlinuz'),
    debian('install', 'vmlinuz'),
    ...netboot('install/netboot', architecture),
    ...installers.flatMap(directory => plainInstaller(directory, architecture)),
  ];
  return kind === 'xen' ? [...xen, ...all] : all;
}

/** The same of one suite on a mirror of Debian or Ubuntu. */
export function suitePlaces(suite: string, { architecture, kind }: WantedKernel): readonly KnownPlace[] {
  const installer = `dists/${suite}/main/installer-${DEBIAN_NAMES[architecture]}/current`;
  const plain = plainInstaller(installer, architecture);
  return kind === 'xen' ? [...xenInstaller(installer), ...plain] : plain;
}

/** Ubuntu 20.04, the last that has it, calls the images `legacy-images`. */
const IMAGES = ['images', 'legacy-images'];

function xenInstaller(installer: string): KnownPlace[] {
  return IMAGES.map(images => debian(`${installer}/${images}/netboot/xen`, 'vmlinuz'));
}

function plainInstaller(installer: string, architecture: Architecture): KnownPlace[] {
  return IMAGES.flatMap(images => netboot(`${installer}/${images}/netboot`, architecture));
}

function netboot(directory: string, architecture: Architecture): KnownPlace[] {
  return ['debian-installer', 'ubuntu-installer'].map(installer =>
    debian(`${directory}/${installer}/${DEBIAN_NAMES[architecture]}`, 'linux'),
  );
}

function redHat(directory: string): KnownPlace {
  return { family: 'redhat', kernel: `${directory}/vmlinuz`, ramdisk: `${directory}/initrd.img` };
}

function debian(directory: string, kernel: string): KnownPlace {
  return { family: 'debian', kernel: `${directory}/${kernel}`, ramdisk: `${directory}/initrd.gz` };
}

function suse(directory: string, kernel: string, ramdisk: string): KnownPlace {
  return { family: 'suse', kernel: `${directory}/${kernel}`, ramdisk: `${directory}/${ramdisk}` };
}
