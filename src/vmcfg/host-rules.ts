import { canShare } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import type { CheckSubject, Draft, Rule } from './checks.ts';

/** What of a guest does not go together with this server and its other guests. */
export const hostRules: readonly Rule[] = [
  unusableFiles,
  hypervisorRefusal,
  memoryOfServer,
  maxmemBelowMemory,
  processorsOfServer,
  processorShares,
  bridges,
  identityTwice,
  disksInUse,
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
      if (source === undefined || !theirs || canShare(mode, theirs.mode)) return [];
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
