import { AgentError } from '../../src/errors.ts';
import { quote } from '../../src/model/guest-path.ts';
import { findNearest } from '../../src/model/nearest.ts';
import type { NewGuestValue } from '../../src/model/new-guest.ts';

/** What a guest with firmware is given for the system that is to run in it. */
export interface SystemProfile {
  readonly label: string;
  /** Keys of vm.cfg. */
  readonly keys: Readonly<Record<string, NewGuestValue>>;
  /** Network card that it has a driver for, where the usual one would not do. */
  readonly cardModel?: string;
  /** What its owner should do inside, as sentences. */
  readonly advice?: string;
}

/** The types of python-virtinst 0.400 (virt-install(1), --os-type). */
export const systemTypes = ['linux', 'windows', 'unix', 'other'] as const;
export type SystemType = (typeof systemTypes)[number];

type Variants = Readonly<Record<string, SystemProfile>>;

/**
 * Linux of any age makes up for ticks that it missed and must not get them again: timer_mode 2 (guide, appendix E.7;
 * xl.cfg(5), "no_missed_ticks_pending").
 */
const LINUX = { timer_mode: 2 } as const;

/** A pointer that follows that of the viewer; systems of this age have the driver (virtinst's osdict, USB_TABLET). */
const TABLET = { usbdevice: 'tablet' } as const;

/**
 * Windows counts every tick, timer_mode 1, and has its clock in local time (guide, appendix E.7; virtinst's osdict,
 * "clock": "localtime"). It knows the tablet since Windows 2000.
 */
const WINDOWS = { ...TABLET, localtime: 1, timer_mode: 1 } as const;

/** Windows knows the interfaces of Hyper-V since Vista and Server 2008 (xl.cfg(5), viridian). */
const WINDOWS_OF_HYPER_V = { ...WINDOWS, viridian: 1 } as const;

/**
 * Kernels that count 1000 ticks a second (guide, appendix E.7). That `divider` may stop RHEL 4, and RHEL 5 before 5.8, is Red Hat's
 * later word (RHEL 5 Virtualization Guide, KVM guest timing management).
 */
const TICK_ADVICE =
  'Its kernel counts clock ticks: put "clock=pit divider=10 notsc" behind the arguments of its kernel if its clock drifts, but leave ' +
  'divider=10 out before release 5.8, which it may stop. Run ntpd in it.';

const tabletLinux = (label: string): SystemProfile => ({ label, keys: { ...LINUX, ...TABLET } });
const plainLinux = (label: string): SystemProfile => ({ label, keys: LINUX });
const tickingLinux = (label: string): SystemProfile => ({ label, keys: LINUX, advice: TICK_ADVICE });

const LINUX_VARIANTS: Variants = {
  'rhel2.1': plainLinux('Red Hat Enterprise Linux 2.1'),
  rhel3: plainLinux('Red Hat Enterprise Linux 3'),
  ...numbered('rhel', 4, 5, number => tickingLinux(`Red Hat Enterprise Linux ${number}`)),
  'rhel5.4': tickingLinux('Red Hat Enterprise Linux 5.4 or later'),
  ...numbered('rhel', 6, 10, number => tabletLinux(`Red Hat Enterprise Linux ${number}`)),
  ...numbered('oel', 4, 5, number => tickingLinux(`Oracle Enterprise Linux ${number}`)),
  ...numbered('ol', 4, 5, number => tickingLinux(`Oracle Linux ${number}`)),
  ...numbered('ol', 6, 10, number => tabletLinux(`Oracle Linux ${number}`)),
  ...numbered('centos', 4, 5, number => tickingLinux(`CentOS ${number}`)),
  ...numbered('centos', 6, 8, number => tabletLinux(`CentOS ${number}`)),
  ...numbered('centos-stream', 8, 10, number => tabletLinux(`CentOS Stream ${number}`)),
  ...numbered('rocky', 8, 10, number => tabletLinux(`Rocky Linux ${number}`)),
  ...numbered('almalinux', 8, 10, number => tabletLinux(`AlmaLinux ${number}`)),
  ...numbered('fedora', 5, 10, number => plainLinux(`Fedora ${number}`)),
  ...numbered('fedora', 11, 42, number => tabletLinux(`Fedora ${number}`)),
  ...numbered('sles', 9, 11, number => plainLinux(`SUSE Linux Enterprise Server ${number}`)),
  sles12: tabletLinux('SUSE Linux Enterprise Server 12'),
  sles15: tabletLinux('SUSE Linux Enterprise Server 15'),
  mandriva2009: plainLinux('Mandriva Linux 2009 and earlier'),
  mandriva2010: plainLinux('Mandriva Linux 2010 and later'),
  debianetch: plainLinux('Debian 4 (Etch)'),
  debianlenny: plainLinux('Debian 5 (Lenny)'),
  debiansqueeze: tabletLinux('Debian 6 (Squeeze)'),
  debianwheezy: tabletLinux('Debian 7 (Wheezy)'),
  debianjessie: tabletLinux('Debian 8 (Jessie)'),
  ...numbered('debian', 4, 5, number => plainLinux(`Debian ${number}`)),
  ...numbered('debian', 6, 13, number => tabletLinux(`Debian ${number}`)),
  ...named('ubuntu', ['hardy', 'intrepid', 'jaunty', 'karmic'], name => plainLinux(`Ubuntu ${name}`)),
  ...named('ubuntu', ['lucid', 'maverick', 'natty', 'oneiric', 'precise', 'trusty'], name =>
    tabletLinux(`Ubuntu ${name}`),
  ),
  ...named('ubuntu', ['8.04', '8.10', '9.04', '9.10'], version => plainLinux(`Ubuntu ${version}`)),
  ...named(
    'ubuntu',
    ['10.04', '10.10', '11.04', '11.10', '12.04', '14.04', '16.04', '18.04', '20.04', '22.04', '24.04'],
    version => tabletLinux(`Ubuntu ${version}`),
  ),
  generic24: plainLinux('Generic 2.4.x kernel'),
  generic26: plainLinux('Generic 2.6.x kernel'),
  virtio26: plainLinux('Generic 2.6.25 or later kernel with virtio'),
};

const windows = (label: string): SystemProfile => ({ label: `Microsoft Windows ${label}`, keys: WINDOWS });
const windowsOfHyperV = (label: string): SystemProfile => ({
  label: `Microsoft Windows ${label}`,
  keys: WINDOWS_OF_HYPER_V,
});

const WINDOWS_VARIANTS: Variants = {
  win2k: windows('2000'),
  winxp: windows('XP'),
  winxp64: windows('XP (x86_64)'),
  win2k3: windows('Server 2003'),
  win2k3r2: windows('Server 2003 R2'),
  vista: windowsOfHyperV('Vista'),
  win7: windowsOfHyperV('7'),
  win8: windowsOfHyperV('8'),
  'win8.1': windowsOfHyperV('8.1'),
  win10: windowsOfHyperV('10'),
  win11: windowsOfHyperV('11'),
  win2k8: windowsOfHyperV('Server 2008'),
  win2k8r2: windowsOfHyperV('Server 2008 R2'),
  win2k12: windowsOfHyperV('Server 2012'),
  win2k12r2: windowsOfHyperV('Server 2012 R2'),
  win2k16: windowsOfHyperV('Server 2016'),
  win2k19: windowsOfHyperV('Server 2019'),
  win2k22: windowsOfHyperV('Server 2022'),
};

/** Cards as in virtinst's osdict. */
const UNIX_VARIANTS: Variants = {
  solaris9: { label: 'Sun Solaris 9', keys: { localtime: 1 } },
  solaris10: { label: 'Sun Solaris 10', keys: { localtime: 1, ...TABLET } },
  solaris11: { label: 'Oracle Solaris 11', keys: { localtime: 1, ...TABLET } },
  opensolaris: { label: 'Sun OpenSolaris', keys: { localtime: 1, ...TABLET } },
  ...numbered('freebsd', 6, 7, number => ({ label: `FreeBSD ${number}`, keys: {}, cardModel: 'ne2k_pci' })),
  ...numbered('freebsd', 8, 14, number => ({ label: `FreeBSD ${number}`, keys: {}, cardModel: 'e1000' })),
  openbsd4: { label: 'OpenBSD 4', keys: {}, cardModel: 'pcnet' },
  ...numbered('openbsd', 5, 7, number => ({ label: `OpenBSD ${number}`, keys: {}, cardModel: 'e1000' })),
  ...numbered('netbsd', 5, 10, number => ({ label: `NetBSD ${number}`, keys: {}, cardModel: 'e1000' })),
};

/** virtinst's osdict: MS-DOS knows neither ACPI nor the APIC. */
const OTHER_VARIANTS: Variants = {
  msdos: { label: 'MS-DOS', keys: { acpi: 0, apic: 0 } },
  ...numbered('netware', 4, 6, number => ({ label: `Novell Netware ${number}`, keys: {} })),
  generic: { label: 'Generic', keys: {} },
};

/** Each type with what holds for a system of it whose variant is not named. */
const TYPES: Readonly<Record<SystemType, { readonly profile: SystemProfile; readonly variants: Variants }>> = {
  linux: { profile: plainLinux('Linux'), variants: LINUX_VARIANTS },
  windows: { profile: windows('of any release'), variants: WINDOWS_VARIANTS },
  unix: { profile: { label: 'UNIX', keys: {} }, variants: UNIX_VARIANTS },
  other: { profile: { label: 'Other', keys: {} }, variants: OTHER_VARIANTS },
};

/** Names of the variants of a type. */
export function variantsOf(type: SystemType): readonly string[] {
  return Object.keys(TYPES[type].variants);
}

/**
 * What follows from --os-type and --os-variant. A variant alone says its type; capital letters do not count.
 * @throws AgentError BAD_VALUE for a name that is not in the table
 */
export function profileOf(type: string | undefined, variant: string | undefined): SystemProfile {
  const knownType = type === undefined ? undefined : systemTypes.find(known => known === type.toLowerCase());
  if (type !== undefined && knownType === undefined)
    throw new AgentError(
      'BAD_VALUE',
      `--os-type ${quote(type)} is not known; one of ${systemTypes.join(', ')} is needed`,
    );
  if (variant === undefined) return knownType === undefined ? { label: 'any', keys: {} } : TYPES[knownType].profile;
  const name = variant.toLowerCase();
  const searched = knownType === undefined ? systemTypes : [knownType];
  for (const candidate of searched) {
    const { variants } = TYPES[candidate];
    if (Object.hasOwn(variants, name)) return variants[name]!;
  }
  throw new AgentError('BAD_VALUE', `--os-variant ${quote(variant)} is not known; ${hintFor(name, knownType)}`);
}

function hintFor(name: string, type: SystemType | undefined): string {
  const elsewhere = systemTypes.find(candidate => Object.hasOwn(TYPES[candidate].variants, name));
  if (elsewhere !== undefined) return `it is of --os-type ${elsewhere}`;
  const names = (type === undefined ? systemTypes : [type]).flatMap(variantsOf);
  const near = findNearest(name, names, candidate => candidate);
  return near === undefined ? 'docs/virt-install.md has the list' : `did you mean ${near}?`;
}

function numbered(prefix: string, first: number, last: number, profile: (number: string) => SystemProfile): Variants {
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
  return named(prefix, numbers, profile);
}

function named(prefix: string, names: readonly string[], profile: (name: string) => SystemProfile): Variants {
  return Object.fromEntries(names.map(name => [`${prefix}${name}`, profile(name)]));
}
