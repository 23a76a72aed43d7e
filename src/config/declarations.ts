import { shutdownActions } from '../model/guest-state.ts';
import * as kinds from './setting-kinds.ts';
import type { SettingKind } from './setting-kinds.ts';

/** One setting: its key in agent.ini, its kind, its default as it would be written, and what it means. */
export interface Setting<T> {
  readonly key: string;
  readonly kind: SettingKind<T>;
  readonly default: string;
  readonly summary: string;
}

function setting<T>(key: string, kind: SettingKind<T>, standard: string, summary: string): Setting<T> {
  return { key, kind, default: standard, summary };
}

/**
 * Every setting, by section and by its name in the code. Everything else that knows of settings is made from this:
 * the reader, the types, the shipped agent.ini.
 */
export const declarations = {
  /** Keys before the first section: those of the original's file, and their like. */
  main: {
    ssl: setting(
      'ssl',
      kinds.enabled(),
      'enable',
      'Encrypt the transport. Clients of agent 2.3 that speak plain HTTP need disable.',
    ),
    port: setting('port', kinds.integer(0, 65_535), '8899', 'TCP port of the agent. 0 takes any that is free.'),
    listen: setting('listen', kinds.ipAddresses(), '0.0.0.0,::', 'Addresses on which the agent listens.'),
    address: setting(
      'address',
      kinds.optionalIpAddress(),
      '',
      'Address by which managers and other agents know this server. Found by itself when empty.',
    ),
    allow: setting(
      'allow',
      kinds.addressPatterns(),
      '*',
      'Who may connect. Patterns: 10.1.1.1, 10.1.1.*, 10.1.1.1/24, *, *.example.com, IPv6 addresses and networks. ' +
        'An empty list allows nobody.',
    ),
    deny: setting(
      'deny',
      kinds.addressPatterns(),
      '',
      'Who may not connect though allow matches. With a host name in this list, an address whose name cannot be found ' +
        'is kept out.',
    ),
    hypervisor: setting(
      'hypervisor',
      kinds.choice('auto', 'xen', 'qemu', 'simulated'),
      'auto',
      'What runs the guests. auto takes xen where it answers, else qemu. simulated runs nothing.',
    ),
  },
  limits: {
    headerTimeMs: setting(
      'header_time',
      kinds.seconds(0.1, 600),
      '10',
      'Seconds for a TLS handshake, and for the headers of a request.',
    ),
    bodyTimeMs: setting(
      'body_time',
      kinds.seconds(0.1, 3600),
      '60',
      'Seconds for a whole request to arrive, and for its reply to be taken.',
    ),
    keepAliveTimeMs: setting(
      'keep_alive_time',
      kinds.seconds(0.1, 3600),
      '75',
      'Seconds for which a connection may wait for its next request.',
    ),
    headerBytes: setting('header_size', kinds.bytes(1024, 2 ** 20), '16KiB', 'Largest headers of a request.'),
    bodyBytes: setting('body_size', kinds.bytes(1024, 2 ** 30), '4MiB', 'Largest body of a request.'),
    xmlDepth: setting('xml_depth', kinds.integer(1, 256), '64', 'Deepest nesting of arrays and structs in a request.'),
    xmlValues: setting('xml_values', kinds.integer(1, 10_000_000), '100000', 'Most values in a request.'),
    connections: setting('connections', kinds.integer(1, 100_000), '1000', 'Most connections at once.'),
    connectionsPerAddress: setting(
      'connections_per_address',
      kinds.integer(1, 100_000),
      '300',
      'Most connections at once from one address.',
    ),
    requestsPerConnection: setting(
      'requests_per_connection',
      kinds.integer(1, 2 ** 31),
      '1000000',
      'Most requests on one connection.',
    ),
    callQueue: setting('call_queue', kinds.integer(1, 1000), '16', 'Most acts that may run or wait for one guest.'),
    jobsAtOnce: setting('jobs_at_once', kinds.integer(1, 1000), '32', 'Most submitted jobs that run at once.'),
    jobQueue: setting('job_queue', kinds.integer(1, 100_000), '1000', 'Most submitted jobs that wait.'),
    jobsKept: setting('jobs_kept', kinds.integer(0, 100_000), '1000', 'How many ended jobs are kept.'),
  },
  authentication: {
    failureDelayMs: setting(
      'failure_delay',
      kinds.seconds(0, 60),
      '0.25',
      'Seconds that an address waits after a wrong login; each further one doubles them.',
    ),
    failureDelayLimitMs: setting(
      'failure_delay_limit',
      kinds.seconds(0, 3600),
      '30',
      'Most seconds that an address waits.',
    ),
    cacheEntries: setting(
      'credential_cache',
      kinds.integer(0, 100_000),
      '256',
      'Most verified logins that are remembered, as digests.',
    ),
    cacheTimeMs: setting(
      'credential_cache_time',
      kinds.seconds(0, 86_400),
      '600',
      'Seconds for which a verified login is remembered.',
    ),
  },
  log: {
    level: setting(
      'level',
      kinds.choice('trace', 'debug', 'info', 'warn', 'error'),
      'info',
      'Lines below this level are not written.',
    ),
    fileBytes: setting('file_size', kinds.bytes(4096, 2 ** 40), '16MiB', 'Size at which a new log file is begun.'),
    filesKept: setting('files_kept', kinds.integer(0, 1000), '9', 'How many full log files are kept.'),
  },
  events: {
    kept: setting('kept', kinds.integer(1, 10_000_000), '100000', 'How many events are kept; the oldest go first.'),
    streams: setting('streams', kinds.integer(1, 10_000), '100', 'Most streams of events that are read at once.'),
  },
  guests: {
    stopTimeoutMs: setting(
      'stop_timeout',
      kinds.seconds(0, 86_400),
      '600',
      'Seconds that a guest has to power off after its power button was pressed, before it is destroyed.',
    ),
    agentStopTimeoutMs: setting(
      'stop_agent_timeout',
      kinds.seconds(0, 86_400),
      '60',
      'Seconds that a guest has to power off after the guest agent inside was asked, before its power button is pressed.',
    ),
    startTimeoutMs: setting(
      'start_timeout',
      kinds.seconds(1, 3600),
      '30',
      'Seconds in which the hypervisor must say that a guest runs.',
    ),
    kernelDirectories: setting(
      'kernel_directories',
      kinds.directories(),
      '/boot',
      'Directories, beside the repositories, from which kernels and ramdisks are taken.',
    ),
    memoryReserveMib: setting(
      'memory_reserve',
      kinds.integer(0, 2 ** 30, 'MiB'),
      '256',
      'MiB of memory that guests leave to the server.',
    ),
    accelerator: setting(
      'accelerator',
      kinds.choice('auto', 'kvm', 'tcg'),
      'auto',
      'What QEMU runs guests on. auto takes kvm where a trial shows that it works.',
    ),
    userNetwork: setting(
      'user_network',
      kinds.choice('restricted', 'open'),
      'restricted',
      "Whether guests without a bridge reach the world (open), and with it this server's own ports, or DHCP only.",
    ),
    vncPorts: setting(
      'vnc_ports',
      kinds.vncPortRange(),
      '5900-5999',
      'TCP ports for the VNC servers of guests that name none.',
    ),
    diskError: setting(
      'disk_error',
      kinds.choice('keep', 'resume', 'destroy'),
      'keep',
      'What becomes of a guest that was stopped because a disk failed, as when no space is left. keep leaves it to be unpaused ' +
        'by hand, resume tries again from time to time, destroy ends it.',
    ),
    restartLimit: setting(
      'restart_limit',
      kinds.integer(0, 1000),
      '10',
      'How often a guest may crash or reboot within restart_window before it is not started again. 0 sets no limit.',
    ),
    restartWindowMs: setting(
      'restart_window',
      kinds.seconds(1, 86_400),
      '600',
      'Seconds over which restarts are counted; the fourth and each further one waits longer. A guest that ran for longer than ' +
        'that begins anew.',
    ),
    coreDumpsKept: setting(
      'core_dumps_kept',
      kinds.integer(1, 1000),
      '2',
      'How many core dumps of each guest are kept; the oldest go first.',
    ),
    coreDumpBytes: setting(
      'core_dump_space',
      kinds.bytes(0, 2 ** 50),
      '10GiB',
      'Size up to which core dumps of all guests are kept; the oldest go first. 0 writes none.',
    ),
    stateDirectories: setting(
      'state_directories',
      kinds.directories(),
      '/var/ovs/saved',
      'Directories, beside the repositories, in which save_vm may write. They are made when they are missing.',
    ),
    qemuBinary: setting('qemu_binary', kinds.program(), 'qemu-system-x86_64', 'The QEMU program.'),
  },
  storage: {
    timeoutMs: setting(
      'timeout',
      kinds.seconds(0.1, 3600),
      '20',
      'Seconds that a repository may take for one answer. After that it counts as hung: calls about it are refused until it answers ' +
        'again, and calls about others go on.',
    ),
  },
  performance: {
    intervalMs: setting(
      'interval',
      kinds.secondsOrNever(1, 60),
      '5',
      'Seconds between two samples of what this server and its guests use. With 0 no history is kept, and figures are ' +
        'measured when they are asked for.',
    ),
  },
  host: {
    shutdownAction: setting(
      'shutdown_action',
      kinds.choice(...shutdownActions),
      'stop',
      'What becomes of guests when this server is shut down, where neither set_vm_boot nor on_xend_stop says it.',
    ),
    shutdownTimeMs: setting(
      'shutdown_time',
      kinds.seconds(1, 86_400),
      '300',
      'Seconds for all guests together at the shutdown of this server; those that are left are destroyed.',
    ),
    storageWaitMs: setting(
      'storage_wait',
      kinds.seconds(0, 86_400),
      '120',
      'Seconds for which the start of this server waits for the storage of guests that start with it.',
    ),
    startDelaySeconds: setting(
      'start_delay',
      kinds.integer(0, 3600, 'seconds'),
      '0',
      'Seconds between the starts of guests that start with this server, where set_vm_boot says nothing else.',
    ),
  },
  certificate: {
    keyBits: setting(
      'key_bits',
      kinds.integerChoice('bits', 2048, 3072, 4096),
      '2048',
      "Length of the agent's RSA key when it is made.",
    ),
    validDays: setting('valid_days', kinds.integer(1, 36_500, 'days'), '825', 'Days for which a certificate is valid.'),
    renewDays: setting(
      'renew_days',
      kinds.integer(0, 36_500, 'days'),
      '30',
      'Days before its end at which it is renewed. Fewer than valid_days.',
    ),
  },
} as const;

export type Declarations = typeof declarations;
export type SectionName = keyof Declarations;

/** How a section is headed in the file: the main one is not. */
export function headingOf(section: SectionName): string {
  return section === 'main' ? '' : section;
}

/** The settings file as it is shipped: every key with its meaning, unit and range, set to its default. */
export function documentedSettings(): string {
  const lines = [
    '; Settings of ovs-agent. Every key is shown with its default. A line that cannot be read stops the start.',
    '; A comment stands on a line of its own and begins with ; or #. A value that holds ; or # stands in double quotes.',
    '; allow, deny and level are read again on SIGHUP ("systemctl reload ovs-agent"); the others at the next start.',
  ];
  for (const section of Object.keys(declarations) as SectionName[]) {
    if (section !== 'main') lines.push('', `[${section}]`);
    for (const { default: standard, key, kind, summary } of Object.values<Setting<unknown>>(declarations[section])) {
      lines.push('', ...wrapped(summary), ...wrapped(`It must be ${kind.expected}.`), `${key}=${standard}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 110) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`; ${word}`);
  }
  return lines;
}
