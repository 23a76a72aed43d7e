import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentPaths } from '../config/paths.ts';
import { readSettingsFile, type Settings } from '../config/settings.ts';
import { readXendConfig, type XendConfig } from '../config/xend-config.ts';
import { probeQemu } from '../drivers/qemu/probe.ts';
import { messageOf } from '../errors.ts';
import { filtersBridges } from '../host/bridges.ts';
import type { Clock } from '../host/clock.ts';
import { readAvailableMemoryMib } from '../host/inventory.ts';
import { whyNoProcessorShares } from '../host/processor-groups.ts';
import { DEFAULT_REPOSITORY } from '../model/guest-path.ts';

/** Something that an operator should know of a server. */
export interface Diagnosis {
  /** Stays the same from release to release, for scripts. */
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'note' | 'ok';
  readonly message: string;
  /** What to do; empty when nothing is to be done. */
  readonly mend: string;
}

export interface DoctorParts {
  readonly paths: AgentPaths;
  readonly settingsFile: string;
  readonly searchPath: string;
  readonly clock: Clock;
  /** Whether an agent answers. */
  readonly isRunning: boolean;
}

const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const SOON_DAYS = 14;
const LITTLE_SPACE_MIB = 1024;
/** Programs without which something cannot be done: what, and the Debian package. */
const PROGRAMS: readonly (readonly [program: string, purpose: string, debianPackage: string])[] = [
  ['ip', 'network cards on bridges', 'iproute2'],
  ['bwrap', 'bootloader = pygrub', 'bubblewrap'],
  ['grub-fstest', 'bootloader = pygrub', 'grub-common'],
  ['taskset', 'cpus in vm.cfg', 'util-linux'],
];

/** Looks at a server as an agent would find it, and changes nothing. */
export async function examine(parts: DoctorParts): Promise<readonly Diagnosis[]> {
  const { isRunning } = parts;
  const settings = attempt('SETTINGS', () => readSettingsFile(parts.settingsFile));
  const xend = attempt('XEND_CONFIG', () => readXendConfig(parts.paths.xendConfigFile));
  return [
    isRunning ? ok('AGENT', 'an agent runs') : note('AGENT', 'no agent runs', '"ovs-agent start" starts one'),
    'value' in settings ? ok('SETTINGS', `${parts.settingsFile} can be used`) : settings,
    ...('value' in xend ? xendFindings(xend.value) : [xend]),
    passwordFile(parts),
    certificate(parts, 'value' in settings ? settings.value : undefined),
    ...('value' in settings ? [await hypervisor(parts, settings.value)] : []),
    ...programs(parts.searchPath),
    bridges(),
    processorShares(),
    memory('value' in settings ? settings.value : undefined),
    space(parts.paths),
  ];
}

type Attempt<T> = { readonly value: T } | Diagnosis;

function attempt<T>(code: string, read: () => T): Attempt<T> {
  try {
    return { value: read() };
  } catch (error) {
    return {
      code,
      severity: 'error',
      message: messageOf(error),
      mend: 'mend that line; the agent does not start with it',
    };
  }
}

function xendFindings(xend: XendConfig): Diagnosis[] {
  if (!existsSync(xend.file)) return [ok('XEND_CONFIG', `${xend.file} is not there, which is fine`)];
  const written = xend.settings.filter(setting => setting.line !== undefined);
  const findings = written.flatMap(({ isUnusable, line, name, option, text }): Diagnosis[] => {
    const place = `${xend.file} line ${line}: ${name}`;
    if (!option) return [warning('XEND_UNKNOWN', `${place} is no option of xend`, 'mend its name, or remove it')];
    if (isUnusable) {
      const expected = `it must be ${option.kind.expected}`;
      return [warning('XEND_UNUSABLE', `${place} "${text}" cannot be used and is passed over`, expected)];
    }
    if (option.effect === 'acts' || option.effect === 'written') return [];
    const when = option.effect === 'migration' ? 'takes effect with live migration only' : 'has no effect here';
    return [note('XEND_WITHOUT_EFFECT', `${place} ${when}: ${option.summary}`, 'nothing need be done')];
  });
  return [ok('XEND_CONFIG', `${xend.file} can be used; ${written.length} options are in it`), ...findings];
}

function passwordFile({ paths }: DoctorParts): Diagnosis {
  const file = paths.passwordFile;
  const mode = statSync(file, { throwIfNoEntry: false })?.mode;
  if (mode === undefined)
    return warning('PASSWORD', 'no user has a password yet', '"ovs-agent passwd" sets that of admin');
  return (mode & 0o077) === 0
    ? ok('PASSWORD', `${file} can be read by its owner only`)
    : error('PASSWORD', `${file} can be read by others; the agent does not start`, `chmod 600 ${file}`);
}

function certificate({ clock, paths }: DoctorParts, settings: Settings | undefined): Diagnosis {
  if (settings?.ssl === false) {
    return warning(
      'CERTIFICATE',
      'ssl=disable: passwords cross the network as they are',
      'set ssl=enable where clients allow it',
    );
  }
  if (!existsSync(paths.certificateFile))
    return note('CERTIFICATE', 'there is no certificate yet', 'the first start makes one');
  try {
    const { validTo } = new X509Certificate(readFileSync(paths.certificateFile));
    const days = Math.floor((Date.parse(validTo) - clock.now()) / DAY_MS);
    if (days < 0)
      return error(
        'CERTIFICATE',
        `the certificate has expired (${validTo})`,
        'remove it; the next start makes a new one with the same key',
      );
    return days < SOON_DAYS
      ? warning('CERTIFICATE', `the certificate expires in ${days} days`, 'a running agent renews it; see renew_days')
      : ok('CERTIFICATE', `the certificate is valid for ${days} days`);
  } catch (cause) {
    return error(
      'CERTIFICATE',
      `${paths.certificateFile} cannot be read: ${messageOf(cause)}`,
      'remove it; the next start makes a new one',
    );
  }
}

async function hypervisor({ clock, paths, searchPath }: DoctorParts, settings: Settings): Promise<Diagnosis> {
  if (settings.hypervisor === 'simulated')
    return warning('HYPERVISOR', 'hypervisor=simulated runs nothing', 'set hypervisor=auto');
  const { accelerator, qemuBinary } = settings.guests;
  const memory = join(paths.runtimeDirectory, 'qemu-probe.json');
  const memoryFile = existsSync(memory) ? memory : undefined;
  const probe = await probeQemu({ program: qemuBinary, accelerator, memoryFile, searchPath, clock });
  if (!probe.usable) return error('HYPERVISOR', probe.reason, probe.remedy);
  return probe.accelerator === 'kvm'
    ? ok('HYPERVISOR', probe.description)
    : warning(
        'HYPERVISOR',
        probe.description,
        'guests are slow without KVM: see that the processor has vmx or svm, and that it is switched on',
      );
}

function programs(searchPath: string): Diagnosis[] {
  const folders = [...searchPath.split(':'), '/usr/sbin', '/sbin'];
  return PROGRAMS.filter(([program]) => !folders.some(folder => existsSync(join(folder, program)))).map(
    ([program, purpose, debianPackage]) =>
      warning('PROGRAM', `${program} is not installed: ${purpose} cannot be had`, `apt-get install ${debianPackage}`),
  );
}

function bridges(): Diagnosis {
  return filtersBridges()
    ? warning(
        'BRIDGE_FILTERED',
        "frames on bridges pass this server's own firewall, which may drop those of guests",
        'sysctl -w net.bridge.bridge-nf-call-iptables=0, and the same in /etc/sysctl.d',
      )
    : ok('BRIDGE_FILTERED', "frames on bridges do not pass this server's own firewall");
}

function processorShares(): Diagnosis {
  const reason = whyNoProcessorShares();
  return reason === undefined
    ? ok('CPU_SHARES', 'cpu_weight and cpu_cap can be given out')
    : note(
        'CPU_SHARES',
        `cpu_weight and cpu_cap have no effect here: ${reason}`,
        'boot with systemd.unified_cgroup_hierarchy=1',
      );
}

function memory(settings: Settings | undefined): Diagnosis {
  const freeMib = readAvailableMemoryMib();
  const reserveMib = settings?.guests.memoryReserveMib ?? 0;
  return freeMib > reserveMib
    ? ok('MEMORY', `${freeMib - reserveMib} MiB of memory are free for guests`)
    : warning(
        'MEMORY',
        `${freeMib} MiB of memory are free, and ${reserveMib} stay with the server`,
        'stop guests, or lower memory_reserve',
      );
}

function space(paths: AgentPaths): Diagnosis {
  const directory = paths.onDisk(DEFAULT_REPOSITORY);
  if (!existsSync(directory))
    return warning(
      'REPOSITORY',
      `${DEFAULT_REPOSITORY} is not there`,
      `make ${DEFAULT_REPOSITORY}/running_pool, or mount a repository`,
    );
  const { bavail, bsize } = statfsSync(directory);
  const freeMib = Math.floor((bavail * bsize) / MIB);
  return freeMib < LITTLE_SPACE_MIB
    ? warning('REPOSITORY', `${DEFAULT_REPOSITORY} has ${freeMib} MiB left`, 'remove what is not needed')
    : ok('REPOSITORY', `${DEFAULT_REPOSITORY} has ${freeMib} MiB left`);
}

function ok(code: string, message: string): Diagnosis {
  return { code, severity: 'ok', message, mend: '' };
}

function note(code: string, message: string, mend: string): Diagnosis {
  return { code, severity: 'note', message, mend };
}

function warning(code: string, message: string, mend: string): Diagnosis {
  return { code, severity: 'warning', message, mend };
}

function error(code: string, message: string, mend: string): Diagnosis {
  return { code, severity: 'error', message, mend };
}
