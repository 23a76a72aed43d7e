import { xenKeys } from './xen-options.ts';

/** A key of vm.cfg as operators know it. */
export interface KnownKey {
  /** What it does here. */
  readonly meaning: string;
  /**
   * `on-xen`: it acts where Xen runs the guest. `none`: it is understood, and nothing follows from it; `meaning` says why. `harmless`: the same, and nobody who wrote it
   * misses anything.
   */
  readonly effect: 'acts' | 'on-xen' | 'none' | 'harmless';
}

const acts = (meaning: string): KnownKey => ({ meaning, effect: 'acts' });
const harmless = (meaning: string): KnownKey => ({ meaning, effect: 'harmless' });
const none = (meaning: string): KnownKey => ({ meaning, effect: 'none' });

const VIEWER = harmless('A viewer that xm would open; consoles are opened by those who look at them.');
const XEN_ONLY = none("A matter of xend's own memory and processor management.");
const XEN_KEY: KnownKey = {
  meaning: 'Handed on to Xen as it is, where xl.cfg(5) knows what stands there.',
  effect: 'on-xen',
};
const LOCAL_DISPLAY = none('Displays are offered over VNC, not on a screen of this server.');
const LATER_RELEASE = harmless('Written by later releases of the manager; kept and shown.');

/** Every key that guest files of the original hold (guide, chapters 4 and 5 and appendix C; xl.cfg(5) and xm's examples). */
export const knownKeys: Readonly<Record<string, KnownKey>> = {
  name: acts('Name of the guest; that of its directory when missing.'),
  uuid: acts('Identity that the system inside finds; derived from the path when missing.'),
  pvh: acts("1 is the older form of type = 'pvh'."),
  type: acts("'pv', 'pvh' or 'hvm': how Xen runs it. QEMU runs 'pv' and 'pvh' alike. Comes before builder."),
  builder: acts("'hvm': firmware boots a disk. 'linux' or missing: a kernel is handed over."),
  memory: acts('MiB of memory at the start; 128 when missing.'),
  maxmem: acts('MiB up to which memory can grow while the guest runs.'),
  vcpus: acts('Processors at the start; 1 when missing.'),
  maxvcpus: acts('Processors up to which it can grow while the guest runs.'),
  cpus: acts("Host processors it runs on, such as '0-3,^1', or a list with one item for each processor."),
  cpu: none('The older form of cpus; cpus is what acts.'),
  cpu_weight: acts('Share of processor time against other guests; 256 is usual. Outside Xen it needs cgroup v2.'),
  cpu_cap: acts('Most percent of one processor; 0 is no limit. Outside Xen it needs cgroup v2.'),
  kernel: acts('Kernel of a paravirtual guest. For HVM only hvmloader is understood, and the own firmware is used.'),
  ramdisk: acts('Initial ramdisk of the kernel.'),
  root: acts("The kernel's root device. Names of the guest's disks are translated to those that virtio has."),
  extra: acts('Further arguments of the kernel.'),
  bootloader: acts(
    "'/usr/bin/pygrub': kernel and ramdisk are taken out of the first disk, by its GRUB menu. No program is run.",
  ),
  bootargs: acts("pygrub's choice of an entry: --entry=NUMBER or --entry=TITLE."),
  boot: acts('Order of trial for HVM: c disk, d CD-ROM, n network; a and b are passed over.'),
  disk: acts("List of 'PREFIX:SOURCE,TARGET,MODE'; see Disks."),
  vif: acts("List of network cards, such as 'mac=…, bridge=xenbr0, type=ioemu'; see Network cards."),
  vfb: acts("Display of a paravirtual guest, such as ['type=vnc,vncunused=1,vncpasswd=…']."),
  vnc: acts('1 gives an HVM guest a display over VNC.'),
  vnclisten: acts('Address on which it listens; vnc-listen of xend-config.sxp, else 127.0.0.1, when missing.'),
  vncdisplay: acts('Number of the display: TCP port less 5900.'),
  vncunused: acts('1 takes the first display that is free.'),
  vncpasswd: acts(
    "Its password, of which eight characters count; '' lets nobody in. vncpasswd of xend-config.sxp when missing.",
  ),
  keymap: acts('Keyboard layout, such as en-us.'),
  stdvga: acts('1 gives a VESA graphics card in place of the Cirrus one.'),
  videoram: acts('MiB of memory of the graphics card, as near as the card comes: 4, 8 or 16, with stdvga 1 to 256.'),
  serial: acts("'pty', or a list of up to four; 'null' is a port that leads nowhere. Read with ovs-agent console."),
  usb: acts('1 gives a USB controller.'),
  usbdevice: acts("'tablet' or 'mouse'."),
  acpi: acts('0 takes ACPI away; such a guest cannot be asked to power off.'),
  apic: acts('0 takes the APIC away; such a machine has one processor.'),
  pae: acts('0 hides PAE and 64-bit mode from the guest.'),
  hpet: acts('1 gives an HVM guest an HPET.'),
  timer_mode: acts('0 and 1 deliver missed timer ticks late, 2 and 3 drop them; 1 when missing.'),
  viridian: acts('1 offers the interfaces that Windows knows from Hyper-V. On KVM only.'),
  localtime: acts('1 starts the clock of the machine in local time.'),
  rtc_timeoffset: acts('Seconds by which the clock of the machine is ahead.'),
  pci: acts(
    "Host devices handed through, such as ['01:00.0']. They must be bound to vfio-pci, on Xen made assignable.",
  ),
  on_poweroff: acts('destroy, restart, preserve or rename-restart; see Ends.'),
  on_reboot: acts('restart, destroy, preserve or rename-restart; see Ends.'),
  on_crash: acts('destroy, restart, preserve, coredump-destroy, coredump-restart or rename-restart; see Ends.'),
  device_model: harmless("The hypervisor's own is used; a program that a guest file names is never run."),
  sdl: LOCAL_DISPLAY,
  opengl: LOCAL_DISPLAY,
  display: LOCAL_DISPLAY,
  xauthority: LOCAL_DISPLAY,
  nographic: none('A guest without vnc has no display.'),
  vncviewer: VIEWER,
  vncconsole: VIEWER,
  monitor: none("QEMU's monitor belongs to the agent."),
  soundhw: none('There are no sound devices.'),
  isa: none('The machine always has an ISA bus.'),
  features: XEN_ONLY,
  xen_extended_power_mgmt: XEN_ONLY,
  suspend_cancel: XEN_ONLY,
  vcpu_avail: none('Processors are given by number: vcpus and maxvcpus.'),
  cpuid_check: XEN_ONLY,
  machine_address_size: XEN_ONLY,
  suppress_spurious_page_faults: XEN_ONLY,
  pci_msitranslate: XEN_ONLY,
  pci_power_mgmt: XEN_ONLY,
  irq: none('Ports and interrupts of this server are not handed to guests.'),
  ioports: none('Ports and interrupts of this server are not handed to guests.'),
  vtpm: none('There are no TPM devices.'),
  vscsi: none('Host SCSI devices are not handed to guests; use phy:.'),
  blkif: none('This server is the backend.'),
  netif: none('This server is the backend.'),
  tpmif: none('There are no TPM devices.'),
  nics: none('The number of cards is that of the items in vif.'),
  ip: acts("Put into the kernel's ip= argument, with gateway, netmask, hostname, interface and dhcp."),
  netmask: acts('See ip.'),
  gateway: acts('See ip.'),
  hostname: acts('See ip.'),
  dhcp: acts("See ip; 'off' alone asks for nothing."),
  interface: acts('See ip.'),
  nfs_server: acts("Put into the kernel's ip= and nfsroot= arguments."),
  nfs_root: acts("Put into the kernel's nfsroot= argument."),
  restart: acts('The older form of the three on_… keys: always, never or onreboot.'),
  bootentry: acts("pygrub's choice of an entry, by number or title."),
  bootloader_args: none('Of the arguments of pygrub only the choice of an entry is known: bootargs or bootentry.'),
  fda: none('There are no floppy disks.'),
  fdb: none('There are no floppy disks.'),
  cdrom: none("Drives stand in disk, as ',hdc:cdrom,r'."),
  on_xend_start: acts("'start': the guest starts with the server. 'ignore': it does not."),
  on_xend_stop: acts(
    "What becomes of it when the server shuts down: 'shutdown', 'suspend' or 'ignore'. It outlives the agent in any case.",
  ),
  ...Object.fromEntries(xenKeys.map(key => [key, XEN_KEY])),
  s3_integrity: XEN_ONLY,
  security: none("Xen's security modules."),
  access_control: none("Xen's security modules."),
  target: XEN_ONLY,
  domid: XEN_ONLY,
  loader: none("The hypervisor's own firmware is used."),
  guest_os_type: LATER_RELEASE,
  vif_other_config: LATER_RELEASE,
  disk_other_config: LATER_RELEASE,
  keys: LATER_RELEASE,
  memory_dynamic_max: LATER_RELEASE,
};

/** Keys that need no entry: those of later releases, and names that a file sets for its own use, such as `arch`. */
export function isOfLaterRelease(key: string): boolean {
  return key.startsWith('OVM_');
}

/** The keys as a document for operators. */
export function documentedKeys(): string {
  const words = { acts: 'yes', 'on-xen': 'on Xen', none: 'no', harmless: 'no' } as const;
  const rows = Object.entries(knownKeys).map(
    ([key, { effect, meaning }]) => `| \`${key}\` | ${words[effect]} | ${meaning.replaceAll('|', '\\|')} |`,
  );
  return [...introduction, '| key | acts | what it does here |', '|---|---|---|', ...rows, ''].join('\n');
}

const introduction = [
  '# Guest files (vm.cfg)',
  '',
  'To the original a guest file was a program in Python 2, which it ran. Here it is read and never run: assignments, texts in all quotings,',
  'numbers, lists, tuples, dictionaries, names, `+ - * // %`, `if`/`elif`/`else`, `append`, and `import os, re` with `os.uname()` and `re.search()`.',
  'Anything else is an error with line, column and what is needed. Numbers may stand in quotes, and an empty text counts as not there.',
  '',
  '`ovs-agent check GUEST` finds what will keep a guest from running or surprise its owner, and mends what is safe with `--fix`. Changes over RPC',
  '(`xen_set_memory`, `set_vm_config`, …) keep comments, order and layout; a running guest is changed as well, where it can be.',
  '',
  '## Disks',
  '',
  "`disk = ['PREFIX:SOURCE,TARGET,MODE', …]`",
  '',
  '| part | forms |',
  '|---|---|',
  '| prefix | `file:` `tap:aio:` raw file, `tap:qcow2:` qcow2 file, `phy:` device of the server; nothing for an empty CD-ROM drive |',
  '| target | `xvda`… and `sda`…, `hda` to `hdd`; `:cdrom` behind it makes a drive for CD-ROMs |',
  '| mode | `w` this guest writes and nobody else has it, `r` nobody writes, `w!` several guests write |',
  '',
  'Paravirtual guests get virtio disks; the root device in `root` and `extra` is translated (`/dev/xvda1` to `/dev/vda1`), and so is the console (`hvc0` to',
  '`ttyS0`). Guests with firmware get IDE for `hd…`, SCSI for `sd…`, virtio for `xvd…`, and IDE for `xvda` to `xvdd` where no disk is an',
  '`hd…`, as on Xen. Virtio disks can be added and removed while the guest runs; CD-ROMs can always be changed. A second writer is refused with the name of the first.',
  '',
  '## Network cards',
  '',
  "`vif = ['mac=…, bridge=…, type=…, model=…, vifname=…, rate=…', …]`; `''` leaves everything to the agent.",
  '',
  'An address is made where none is named, from the prefix 00:16:3e, and written into the file at the start. With a bridge the card is on a tap interface',
  'that the agent makes and removes (`vifname`, else a name of its own); without, on a network of its own (`user_network` of agent.ini). `rate` limits what',
  'the guest sends; a server whose kernel cannot do that refuses the start. `ip` and `script` have no effect: scripts are never run.',
  '',
  '## Displays',
  '',
  'The guest file is over `vnc-listen` and `vncpasswd` of xend-config.sxp, and these over 127.0.0.1 without a password. `vncunused = 1`, and a file without',
  "`vncdisplay`, take the first display that is free from 5900 up. `vncpasswd = ''` lets nobody in.",
  '',
  '## Ends',
  '',
  '`on_poweroff`, `on_reboot` and `on_crash` go together in every combination. `preserve` keeps the domain, which no longer runs, until it is reset or',
  'stopped. With `on_reboot` other than `restart` a system that restarts stops at its reset. Whether it was that or a power-off is written down at once;',
  'where it happened while no agent ran, it is taken for the end whose action is the safer: `preserve` before `destroy` before `rename-restart` before `restart`.',
  '',
  '`rename-restart` kept the old domain under another name and ran the guest anew. Both would hold the same images: what is kept here is the',
  "domain's memory, as a core dump that is named after the guest and the moment; then the guest runs again. For `on_crash` that is `coredump-restart`.",
  '',
  '## pygrub',
  '',
  "`bootloader = '/usr/bin/pygrub'` takes kernel and ramdisk out of the first disk at each start, by its GRUB menu: partitions (MBR, GPT) or none, LVM, ext2 to",
  "ext4 and xfs; GRUB 1 and 2 with BLS entries. The disk is a raw file. `bootargs = '--entry=1'` chooses an entry, and `root` and `extra` are put behind",
  'its arguments. No program is run, the image is read in a sandbox. A reboot inside keeps the kernel that was taken at the start: a new one comes',
  'with a stop and a start.',
  '',
  '## Xen',
  '',
  "`type = 'pv'`, `'pvh'` or `'hvm'` chooses how Xen runs a guest; without it `builder` does, and a guest with a kernel is `pv`. `pvh` is the one to take for",
  'Linux of today: it is as safe as `hvm`, and only it can be migrated while it runs. The guest file is never given to Xen: the agent writes a domain file',
  'of its own from what it understood. Devices are what they are called: nothing is translated. Cards without a bridge are on `xenbr0`. A CD-ROM of a',
  'paravirtual guest is a disk that goes and comes with its medium. How a system ended Xen remembers itself, so that nothing is guessed after a pause of the agent.',
  'Not on Xen: agents inside the guest (it is asked by Xen itself, else by its power button), and domains that stop when a disk is full: the system inside is told.',
  '',
  '## Keys',
  '',
  'Keys of later releases (`OVM_…`) and names that a file sets for its own use are kept.',
  '',
];
