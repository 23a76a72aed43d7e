import { X509Certificate } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentPaths } from '../config/paths.ts';
import { effectiveMemoryReserveMib } from '../config/effective.ts';
import { readSettingsFile, type Settings } from '../config/settings.ts';
import { readXendConfig, type XendConfig, type XendSetting } from '../config/xend-config.ts';
import { type Detected, detectDriver } from '../drivers/detect.ts';
import { messageOf } from '../errors.ts';
import { filtersBridges } from '../host/bridges.ts';
import type { Clock } from '../host/clock.ts';
import { readAvailableMemoryMib } from '../host/inventory.ts';
import { createLog } from '../host/log.ts';
import { whyNoProcessorShares } from '../host/processor-groups.ts';
import { DEFAULT_REPOSITORY, quote } from '../model/guest-path.ts';
import { findCertificate } from '../wire/certificate.ts';
import { readUsers } from '../wire/credential-file.ts';
import { driverMakers, probeFileOf } from './hypervisors.ts';
import { readXendTls } from './xend-listeners.ts';

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
  /** Whether an agent answers; fails where one is there and does not. */
  readonly isRunning: () => Promise<boolean>;
}

const NO_START = 'the agent does not start before it is mended';
const MIB = 2 ** 20;
const DAY_MS = 86_400_000;
const SOON_DAYS = 14;
const KVM_DEVICE = '/dev/kvm';
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
  const { clock, paths } = parts;
  const settings = attempt('SETTINGS', NO_START, () => readSettingsFile(parts.settingsFile));
  const xend = attempt('XEND_CONFIG', NO_START, () => readXendConfig(paths.xendConfigFile));
  return [
    await agent(parts),
    settings.finding ?? ok('SETTINGS', `${parts.settingsFile} can be used`),
    ...(xend.finding ? [xend.finding] : [...xendFindings(xend.value), ...xendCertificate(xend.value, paths, clock)]),
    users(paths),
    certificate(paths, clock, settings.value),
    ...(settings.value ? [await hypervisor(parts, settings.value)] : []),
    ...programs(parts.searchPath),
    bridges(),
    processorShares(),
    memory(settings.value && xend.value ? effectiveMemoryReserveMib(settings.value, xend.value) : 0),
    space(paths),
  ];
}

type Attempt<T> =
  | { readonly value: T; readonly finding?: undefined }
  | { readonly value?: undefined; readonly finding: Diagnosis };

function attempt<T>(code: string, mend: string, read: () => T): Attempt<T> {
  try {
    return { value: read() };
  } catch (cause) {
    return { finding: error(code, messageOf(cause), mend) };
  }
}

async function agent({ isRunning, paths }: DoctorParts): Promise<Diagnosis> {
  try {
    return (await isRunning())
      ? ok('AGENT', 'an agent runs')
      : note('AGENT', 'no agent runs', '"ovs-agent start" starts one');
  } catch (cause) {
    return error('AGENT', `an agent is there and does not answer: ${messageOf(cause)}`, `see ${paths.logDirectory}`);
  }
}

function xendFindings(xend: XendConfig): Diagnosis[] {
  if (!existsSync(xend.file)) return [ok('XEND_CONFIG', `${xend.file} is not there, which is fine`)];
  const written = xend.settings.filter(setting => setting.line !== undefined);
  const findings = written.flatMap((setting): Diagnosis[] => {
    const place = `${xend.file} line ${setting.line}: ${printable(setting.name)}`;
    return [...repetition(place, setting), ...effect(place, setting)];
  });
  return [ok('XEND_CONFIG', `${xend.file} can be used; ${written.length} options are in it`), ...findings];
}

function repetition(place: string, { earlierLines }: XendSetting): Diagnosis[] {
  if (earlierLines.length === 0) return [];
  const where = `line${earlierLines.length > 1 ? 's' : ''} ${earlierLines.join(', ')}`;
  return [
    warning(
      'XEND_REPEATED',
      `${place} stands in ${where} too; the last one holds, and xend took the first`,
      'keep one',
    ),
  ];
}

function effect(place: string, setting: XendSetting): Diagnosis[] {
  const { option } = setting;
  if (!option) return [warning('XEND_UNKNOWN', `${place} is no option of xend`, 'mend its name, or remove it')];
  if (setting.isUnusable) {
    const expected = `it must be ${option.kind.expected}`;
    return [warning('XEND_UNUSABLE', `${place} ${quote(setting.text)} cannot be used and is passed over`, expected)];
  }
  if (setting.effect === 'acts' || setting.effect === 'written') return [];
  const when = setting.effect === 'migration' ? 'takes effect with live migration only' : 'has no effect here';
  return [note('XEND_WITHOUT_EFFECT', `${place} ${when}: ${option.summary}`, 'nothing need be done')];
}

/** Its TCP server has a certificate of its own where the file names one. */
function xendCertificate(xend: XendConfig, paths: AgentPaths, clock: Clock): Diagnosis[] {
  const tls = attempt('XEND_CERTIFICATE', NO_START, () => readXendTls(xend, paths));
  if (tls.finding) return [tls.finding];
  if (!tls.value) return [];
  const notAfter = new Date(new X509Certificate(tls.value.certificate).validTo);
  const what = 'the certificate of xend-tcp-xmlrpc-server';
  return [validity('XEND_CERTIFICATE', what, notAfter, clock, 'put a new one in its place, and restart the agent')];
}

function users({ passwordFile }: AgentPaths): Diagnosis {
  const { finding, value } = attempt('PASSWORD', NO_START, () => readUsers(passwordFile));
  if (finding) return finding;
  return value.size === 0
    ? warning('PASSWORD', `${passwordFile} names no user`, '"ovs-agent passwd" sets the password of admin')
    : ok('PASSWORD', `${passwordFile} can be used, and read by its owner only`);
}

function certificate(paths: AgentPaths, clock: Clock, settings: Settings | undefined): Diagnosis {
  if (settings?.ssl === false) {
    return warning(
      'CERTIFICATE',
      'ssl=disable: passwords cross the network as they are',
      'set ssl=enable where clients allow it',
    );
  }
  const { finding, value } = attempt('CERTIFICATE', NO_START, () => findCertificate(paths.certificateDirectory));
  if (finding) return finding;
  if (!value) return note('CERTIFICATE', 'there is no certificate yet', 'the first start makes one');
  const mend = value.isForeign ? 'put a new one in its place' : 'the agent renews it, when it starts at the latest';
  return validity('CERTIFICATE', 'the certificate', value.notAfter, clock, mend);
}

function validity(code: string, what: string, notAfter: Date, clock: Clock, mend: string): Diagnosis {
  const days = Math.floor((notAfter.getTime() - clock.now()) / DAY_MS);
  if (days < 0) return error(code, `${what} has expired (${notAfter.toISOString()})`, mend);
  return days < SOON_DAYS
    ? warning(code, `${what} expires in ${days} days`, mend)
    : ok(code, `${what} is valid for ${days} days`);
}

async function hypervisor({ clock, paths, searchPath }: DoctorParts, settings: Settings): Promise<Diagnosis> {
  if (settings.hypervisor === 'simulated')
    return warning('HYPERVISOR', 'hypervisor=simulated runs nothing', 'set hypervisor=auto');
  const { accelerator } = settings.guests;
  const memory = probeFileOf(paths);
  const probeFile = existsSync(memory) ? memory : undefined;
  const makers = driverMakers({
    settings,
    paths,
    searchPath,
    processors: [],
    probeFile,
    clock,
    log: createLog('error', []),
  });
  let driver: Detected['driver'];
  let probe: Detected['probe'];
  try {
    ({ driver, probe } = await detectDriver(settings.hypervisor, makers));
  } catch (cause) {
    return error('HYPERVISOR', messageOf(cause), NO_START);
  }
  if (driver.name === 'xen') return ok('HYPERVISOR', probe.description);
  if (accelerator === 'kvm' && !existsSync(KVM_DEVICE))
    return error('HYPERVISOR', `accelerator=kvm is set, and ${KVM_DEVICE} is not there`, 'set accelerator=auto');
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

function memory(reserveMib: number): Diagnosis {
  const freeMib = readAvailableMemoryMib();
  return freeMib > reserveMib
    ? ok('MEMORY', `${freeMib - reserveMib} MiB of memory are free for guests`)
    : warning(
        'MEMORY',
        `${freeMib} MiB of memory are free, and ${reserveMib} stay with the server`,
        'stop guests, or lower memory_reserve or dom0-min-mem',
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
  const { finding, value } = attempt('REPOSITORY', 'see that its disk works', () => statfsSync(directory));
  if (finding) return finding;
  const { bavail, bsize } = value;
  const freeMib = Math.floor((bavail * bsize) / MIB);
  return freeMib < LITTLE_SPACE_MIB
    ? warning('REPOSITORY', `${DEFAULT_REPOSITORY} has ${freeMib} MiB left`, 'remove what is not needed')
    : ok('REPOSITORY', `${DEFAULT_REPOSITORY} has ${freeMib} MiB left`);
}

/** A stranger's name made fit for a terminal. */
function printable(name: string): string {
  return /^[\w.-]{1,64}$/.test(name) ? name : quote(name);
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
