import { guestNameOf, quote } from '../model/guest-path.ts';
import { findNearest } from '../model/nearest.ts';
import type { Disk } from '../model/guest-config.ts';
import type { CheckSubject, Draft } from './checks.ts';
import { diskOfTarget, printDisk } from './disk.ts';
import { isOfLaterRelease, knownKeys } from './known-keys.ts';
import { type ConfigValue, itemsOf } from './values.ts';

type Rule = (subject: CheckSubject) => readonly Draft[];

/** Rules of the guide's troubleshooting appendix, and of what else keeps guests from running. */
export const checkRules: readonly Rule[] = [
  unusableFiles,
  hypervisorRefusal,
  memoryOfServer,
  maxmemBelowMemory,
  processorsOfServer,
  processorShares,
  bridges,
  identityTwice,
  disksInUse,
  nameOfDirectory,
  cdromAfterDisk,
  partitionOfFirmwareGuest,
  tapdiskOfParavirtualGuest,
  displayMissing,
  displayOpen,
  passwordTooLong,
  timerMode,
  viridianWithoutKvm,
  keysWithoutEffect,
  unknownKeys,
];

function unusableFiles({ unusable }: CheckSubject): Draft[] {
  return unusable.map(({ key, reason }) => ({ code: 'FILE_UNUSABLE', severity: 'error', key, ...parted(reason) }));
}

/** Its sentence begins with the key that it is about. */
function hypervisorRefusal({ file, host: { refusal } }: CheckSubject): Draft[] {
  if (refusal === undefined) return [];
  const [word = ''] = /^\w+/.exec(refusal) ?? [];
  return [{ code: 'REFUSED', severity: 'error', key: file.has(word) ? word : 'name', ...parted(refusal) }];
}

/** Failures say what is so and, behind a semicolon, what is needed. */
function parted(sentence: string): { readonly message: string; readonly mend: string } {
  const at = sentence.indexOf('; ');
  return at < 0
    ? { message: sentence, mend: 'mend vm.cfg' }
    : { message: sentence.slice(0, at), mend: sentence.slice(at + 2) };
}

function memoryOfServer({ config, host }: CheckSubject): Draft[] {
  if (config.memoryMib <= host.memoryMib) return [];
  return [
    {
      code: 'MEMORY_TOO_LARGE',
      severity: 'error',
      key: 'memory',
      message: `memory = ${config.memoryMib} is more than the ${host.memoryMib} MiB that this server has`,
      mend: 'lower memory, or run the guest on a larger server',
    },
  ];
}

function maxmemBelowMemory({ config, file }: CheckSubject): Draft[] {
  const maxmem = Number(file.get('maxmem')?.value);
  if (!(maxmem > 0 && maxmem < config.memoryMib)) return [];
  return [
    {
      code: 'MAXMEM_BELOW_MEMORY',
      severity: 'warning',
      key: 'maxmem',
      message: `maxmem = ${maxmem} is less than memory = ${config.memoryMib} and has no effect`,
      mend: 'write maxmem not below memory, or remove it',
      fix: editor => editor.remove('maxmem'),
    },
  ];
}

function processorsOfServer({ config, host }: CheckSubject): Draft[] {
  const drafts: Draft[] = [];
  if (config.vcpus > host.processors) {
    drafts.push({
      code: 'VCPUS_TOO_MANY',
      severity: 'warning',
      key: 'vcpus',
      message: `vcpus = ${config.vcpus} is more than the ${host.processors} processors of this server; the guest will be slow`,
      mend: `write vcpus = ${host.processors} or fewer`,
    });
  }
  const missing = config.pinning.flat().find(number => number >= host.processors);
  if (missing !== undefined) {
    drafts.push({
      code: 'CPUS_NOT_THERE',
      severity: 'error',
      key: 'cpus',
      message: `cpus names processor ${missing}, and this server has 0 to ${host.processors - 1}`,
      mend: 'mend cpus, or remove it',
    });
  }
  return drafts;
}

function processorShares({ config: { share }, host: { whyNoShares } }: CheckSubject): Draft[] {
  if (whyNoShares === undefined) return [];
  return (['weight', 'capPercent'] as const).flatMap((field): Draft[] => {
    const key = field === 'weight' ? 'cpu_weight' : 'cpu_cap';
    if (share[field] === undefined) return [];
    return [
      {
        code: 'NO_CPU_SHARES',
        severity: 'warning',
        key,
        message: `${key} has no effect on this server: ${whyNoShares}`,
        mend: 'boot the server with systemd.unified_cgroup_hierarchy=1',
      },
    ];
  });
}

function bridges({ config: { networkInterfaces }, host }: CheckSubject): Draft[] {
  const named = [...new Set(networkInterfaces.flatMap(card => card.bridge ?? []))];
  const missing = named
    .filter(name => !host.hasBridge(name))
    .map(
      (name): Draft => ({
        code: 'NO_SUCH_BRIDGE',
        severity: 'error',
        key: 'vif',
        message: `bridge ${quote(name)} is not on this server`,
        mend: 'make the bridge, or name another in vif',
      }),
    );
  if (named.length === 0 || !host.filtersBridges) return missing;
  return [
    ...missing,
    {
      code: 'BRIDGE_FILTERED',
      severity: 'note',
      key: 'vif',
      message: "frames on bridges pass this server's own firewall, which may drop those of guests",
      mend: 'set net.bridge.bridge-nf-call-iptables = 0 with sysctl, or allow the traffic there',
    },
  ];
}

function identityTwice({ config, neighbours }: CheckSubject): Draft[] {
  return neighbours.flatMap(other => {
    const what = other.isRunning ? 'which runs' : 'which is not running';
    const severity = other.isRunning ? 'error' : 'warning';
    const drafts: Draft[] = [];
    if (other.uuid === config.uuid) {
      drafts.push({
        code: 'UUID_TWICE',
        severity,
        key: 'uuid',
        message: `${other.path}, ${what}, has the same uuid ${config.uuid}`,
        mend: 'remove uuid from the copy, and it gets one of its own',
      });
    }
    for (const { mac } of config.networkInterfaces.filter(card => other.macs.includes(card.mac))) {
      drafts.push({
        code: 'MAC_TWICE',
        severity,
        key: 'vif',
        message: `${other.path}, ${what}, has the same network address ${mac}`,
        mend: `remove mac=${mac} from the copy, and a new one is made at its next start`,
      });
    }
    return drafts;
  });
}

function disksInUse({ config, neighbours }: CheckSubject): Draft[] {
  return config.disks.flatMap(({ mode, source, target }) =>
    neighbours.flatMap((other): Draft[] => {
      const theirs = other.disks.find(disk => disk.source === source);
      if (source === undefined || !theirs || (mode === theirs.mode && mode !== 'w')) return [];
      return [
        {
          code: 'DISK_IN_USE',
          severity: other.isRunning ? 'error' : 'warning',
          key: 'disk',
          message: `disk ${target} (${source}) is also a disk of ${other.path}, which ${other.isRunning ? 'runs' : 'is not running'}`,
          mend: 'give each guest its own copy, or write w! in both for a disk that they share',
        },
      ];
    }),
  );
}

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
  if (!machine.viridian || host.accelerator === 'kvm') return [];
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

function keysWithoutEffect({ file }: CheckSubject): Draft[] {
  return [...file].flatMap(([key, { value }]): Draft[] => {
    const known = Object.hasOwn(knownKeys, key) ? knownKeys[key] : undefined;
    if (known?.effect !== 'none' || saysNothing(value)) return [];
    return [
      {
        code: 'WITHOUT_EFFECT',
        severity: 'note',
        key,
        message: `${key} has no effect here`,
        mend: `nothing need be done. ${known.meaning.replace(/\.$/, '')}`,
      },
    ];
  });
}

/** Values that switch something off, as files write them that name every key there is. */
function saysNothing(value: ConfigValue): boolean {
  return (
    value === null || value === 0 || value === false || value === '' || value === '0' || itemsOf(value)?.length === 0
  );
}

function unknownKeys({ file }: CheckSubject): Draft[] {
  return [...file.keys()].flatMap((key): Draft[] => {
    if (Object.hasOwn(knownKeys, key) || isOfLaterRelease(key)) return [];
    const meant = key.length > 3 ? findNearest(key, Object.keys(knownKeys), known => known) : undefined;
    // Other names are a file's own, such as arch: they are written to be used, and nobody is surprised.
    if (meant === undefined) return [];
    return [
      {
        code: 'UNKNOWN_KEY',
        severity: 'warning',
        key,
        message: `${key} is no key that the agent knows`,
        mend: `write ${meant} if that is meant`,
      },
    ];
  });
}
