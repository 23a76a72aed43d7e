import type { KernelSupport } from './kernels.ts';

/** What can be seen of the guest, on which it depends what else is to be done in it. */
export interface GuestSigns {
  readonly kernel: string;
  readonly support: KernelSupport;
  /** Names of files in /etc/sysconfig/network-scripts. */
  readonly networkScripts: readonly string[];
  /** Text of /etc/network/interfaces; empty when there is none. */
  readonly interfaces: string;
  /** Text of /etc/X11/xorg.conf; empty when there is none. */
  readonly graphics: string;
}

/** Names that systemd gives a card by its place on the emulated bus. */
const NAME_BY_PLACE = /\ben[ops]\d\w*/;
const EMULATED_GRAPHICS = /^\s*Driver\s+"(?:cirrus|vesa)"/m;

/** What cannot be done from outside the guest, in sentences. */
export function leftToDo({ graphics, interfaces, kernel, networkScripts, support }: GuestSigns): readonly string[] {
  const card = [...networkScripts, interfaces]
    .map(text => NAME_BY_PLACE.exec(text)?.[0])
    .find(name => name !== undefined);
  return [
    ramdiskAdvice(kernel, support),
    ...(card === undefined
      ? []
      : [`the card ${card} is called eth0 or enX0 from now on: name it so in its network settings`]),
    ...(EMULATED_GRAPHICS.test(graphics)
      ? ['/etc/X11/xorg.conf names the driver of the emulated graphics card: write Driver "fbdev" in place of it']
      : []),
  ];
}

function ramdiskAdvice(kernel: string, { console }: KernelSupport): string {
  const make =
    console === 'hvc0'
      ? 'dracut -f --add-drivers "xen-blkfront xen-netfront", or update-initramfs -u'
      : 'mkinitrd -f --preload=xenblk --with=xennet';
  return `the ramdisk of ${kernel} must have the drivers of Xen's disks: if the guest does not find its root, make the ramdisk anew (${make})`;
}
