import { guestNameOf, quote } from '../model/guest-path.ts';
import type { Disk } from '../model/guest-config.ts';
import type { CheckSubject, Draft, Rule } from './checks.ts';
import { diskOfTarget, printDisk } from './disk.ts';
import { itemsOf } from './values.ts';

/** What the guide's troubleshooting appendix describes, and what surprises the owners of guests most. */
export const guestRules: readonly Rule[] = [
  nameOfDirectory,
  cdromAfterDisk,
  partitionOfFirmwareGuest,
  tapdiskOfParavirtualGuest,
  displayMissing,
  displayOpen,
  passwordTooLong,
  timerMode,
  viridianWithoutKvm,
];

function nameOfDirectory({ config, path }: CheckSubject): Draft[] {
  const directory = guestNameOf(path);
  if (config.name === directory) return [];
  return [
    {
      code: 'NAME_DIFFERS',
      severity: 'warning',
      key: 'name',
      message: `name = ${quote(config.name)} is not the name of the directory, ${quote(directory)}, by which the agent knows it`,
      mend: 'write the name of the directory',
      fix: editor => editor.set('name', directory),
    },
  ];
}

/** The guide's troubleshooting: a guest that is to boot from its CD-ROM needs it before hda in the list. */
function cdromAfterDisk({ config: { boot, disks } }: CheckSubject): Draft[] {
  const drive = disks.findIndex(disk => disk.isCdrom);
  const first = disks.findIndex(disk => disk.target === 'hda' && !disk.isCdrom);
  if (boot.from !== 'firmware' || !boot.order.startsWith('d') || drive < 0 || first < 0 || drive < first) return [];
  return [
    {
      code: 'CDROM_AFTER_DISK',
      severity: 'warning',
      key: 'disk',
      message: `boot = ${quote(boot.order)} asks for the CD-ROM first, and it stands after hda in disk`,
      mend: 'put the CD-ROM before hda',
      fix(editor) {
        editor.removeItem('disk', drive);
        editor.insertItem('disk', printDisk(disks[drive]!), 0);
      },
    },
  ];
}

function partitionOfFirmwareGuest({ config: { disks, kind } }: CheckSubject): Draft[] {
  if (kind !== 'hvm') return [];
  return disks.flatMap((disk, index): Draft[] => {
    const whole = diskOfTarget(disk.target);
    if (whole === disk.target) return [];
    return [
      {
        code: 'PARTITION_OF_HVM',
        severity: 'warning',
        key: 'disk',
        message: `${disk.target} is a partition, and a machine with firmware has whole disks`,
        mend: `write ${whole}`,
        fix: editor => editor.replaceItem('disk', index, printDisk({ ...disk, target: whole })),
      },
    ];
  });
}

/** The guide's troubleshooting: tap:aio: stands in the way of some paravirtual kernels on Xen. */
function tapdiskOfParavirtualGuest({ config: { disks, kind }, file }: CheckSubject): Draft[] {
  if (kind !== 'para') return [];
  const items = itemsOf(file.get('disk')?.value ?? null) ?? [];
  return disks.flatMap((disk: Disk, index): Draft[] => {
    const item = items[index];
    if (typeof item !== 'string' || !/^\s*tap2?:aio:/.test(item)) return [];
    return [
      {
        code: 'TAPDISK_OF_PARA',
        severity: 'note',
        key: 'disk',
        message: `disk ${disk.target} is given as tap:aio:, with which some paravirtual guests of Xen do not boot`,
        mend: 'write file:',
        fix: editor => editor.replaceItem('disk', index, item.replace(/tap2?:aio:/, 'file:')),
      },
    ];
  });
}

function displayMissing({ config: { display, kind, serialPorts }, file }: CheckSubject): Draft[] {
  if (kind !== 'hvm' || display || serialPorts.includes('console')) return [];
  return [
    {
      code: 'NO_CONSOLE',
      severity: 'warning',
      key: 'vnc',
      message: 'it has neither a display nor a serial port: nobody can see what it does',
      mend: "write vnc = 1 and vncunused = 1, or serial = 'pty'",
      // A vfb is over the other keys.
      ...(file.has('vfb')
        ? {}
        : {
            fix(editor) {
              editor.set('vnc', 1);
              editor.set('vncunused', 1);
            },
          }),
    },
  ];
}

function displayOpen({ config: { display }, file }: CheckSubject): Draft[] {
  if (!display || display.password !== undefined || /^(?:127\.|::1$)/.test(display.listen)) return [];
  return [
    {
      code: 'OPEN_DISPLAY',
      severity: 'warning',
      key: file.has('vfb') ? 'vfb' : 'vnclisten',
      message: `its display listens on ${display.listen} and asks for no password: whoever reaches it has the console`,
      mend: `write ${file.has('vfb') ? 'vncpasswd=… or vnclisten=127.0.0.1 into vfb' : "a vncpasswd, or vnclisten = '127.0.0.1'"}`,
    },
  ];
}

/** Longest password of a VNC server: the key of its cipher has eight bytes (RFC 6143, 7.2.2). */
const VNC_PASSWORD_LENGTH = 8;

function passwordTooLong({ config: { display }, file }: CheckSubject): Draft[] {
  if ((display?.password?.length ?? 0) <= VNC_PASSWORD_LENGTH) return [];
  return [
    {
      code: 'PASSWORD_TOO_LONG',
      severity: 'note',
      key: file.has('vfb') ? 'vfb' : 'vncpasswd',
      message: `only the first ${VNC_PASSWORD_LENGTH} characters of its VNC password count`,
      mend: `choose one of ${VNC_PASSWORD_LENGTH} characters`,
    },
  ];
}

/** Windows keeps time by counting ticks and needs each; Linux makes up for those that were missed, and must not get them again. */
const TIMER_MODES = [
  { pattern: /windows|win\d|w2k|vista/i, modes: [0, 1], otherwise: 'its clock falls behind' },
  { pattern: /linux|rhel|oel|centos|suse/i, modes: [2, 3], otherwise: 'its clock may run ahead' },
] as const;

function timerMode({ config: { kind, machine }, file }: CheckSubject): Draft[] {
  const names = ['guest_os_type', 'OVM_os_type'].flatMap(key => {
    const value = file.get(key)?.value;
    return typeof value === 'string' ? [value] : [];
  });
  const system = TIMER_MODES.find(({ pattern }) => names.some(name => pattern.test(name)));
  const { timerMode: mode } = machine;
  if (kind !== 'hvm' || !system || mode === undefined || !file.has('timer_mode')) return [];
  if (system.modes.some(wanted => wanted === mode)) return [];
  return [
    {
      code: 'TIMER_MODE',
      severity: 'note',
      key: 'timer_mode',
      message: `timer_mode = ${mode} does not fit ${quote(names.find(name => system.pattern.test(name)) ?? '')}: ${system.otherwise}`,
      mend: `write timer_mode = ${system.modes.at(-1) === 1 ? 1 : 2}`,
    },
  ];
}

function viridianWithoutKvm({ config: { machine }, host }: CheckSubject): Draft[] {
  if (!machine.viridian || host.accelerator === 'kvm' || host.isXen) return [];
  return [
    {
      code: 'VIRIDIAN_WITHOUT_KVM',
      severity: 'note',
      key: 'viridian',
      message: `viridian has no effect on this server, which runs guests on ${host.accelerator}`,
      mend: 'run the guest on a server with KVM, or leave it so',
    },
  ];
}
