import * as kinds from './setting-kinds.ts';
import {
  anyText,
  anyTextOrList,
  file,
  ipAddress,
  keymap,
  listenAddress,
  logLevel,
  type XendKind,
  yesNo,
} from './xend-kinds.ts';

/**
 * `written`: it acts when it is in the file, and its default does not. `migration`: it takes effect with live migration.
 * `none`: it is read, and nothing follows from it.
 */
export type XendEffect = 'acts' | 'written' | 'migration' | 'none';

/** An option of xend-config.sxp: its kind, its default as it would be written, and what it does here. */
export interface XendOption<T = unknown> {
  readonly name: string;
  readonly kind: XendKind<T>;
  readonly default: string;
  readonly effect: XendEffect;
  readonly summary: string;
  /** Its value is shown to nobody. */
  readonly isSecret?: true;
}

function option<T>(
  name: string,
  kind: XendKind<T>,
  standard: string,
  effect: XendEffect,
  summary: string,
): XendOption<T> {
  return { name, kind, default: standard, effect, summary };
}

const REPLACED = 'Its interface was replaced; managers call the agent itself.';
const XEN_DOM0 = 'A matter of Xen and its privileged domain.';
const FIXED_PLACE = 'The agent keeps its records in /etc/ovs-agent/db.';
const NO_SCRIPT = 'Scripts are never run.';
const NO_LOCK = 'The agent runs no lock utility when guests start and stop.';

/**
 * Every option of xend (xend-config.sxp(5), xen/xend/XendOptions.py of Xen 3.4 to 4.2) with its type and its default.
 */
export const xendOptions = {
  logFile: option(
    'logfile',
    file(),
    '/var/log/xen/xend.log',
    'written',
    "The agent's log is written there as well, when the option is in the file.",
  ),
  logLevel: option(
    'loglevel',
    logLevel(),
    'DEBUG',
    'written',
    'Lines below it are not written, where agent.ini names no level and the option is in the file.',
  ),
  tcpServer: option(
    'xend-tcp-xmlrpc-server',
    yesNo(),
    'no',
    'acts',
    'Whether the agent also listens on the address and port below, with the same users and methods.',
  ),
  tcpAddress: option(
    'xend-tcp-xmlrpc-server-address',
    listenAddress(),
    'localhost',
    'acts',
    'Address of that listener.',
  ),
  tcpPort: option('xend-tcp-xmlrpc-server-port', kinds.integer(1, 65_535), '8006', 'acts', 'Its TCP port.'),
  tcpKeyFile: option(
    'xend-tcp-xmlrpc-server-ssl-key-file',
    file(),
    '',
    'acts',
    "Its key; without one the agent's own certificate is used, or none with ssl=disable.",
  ),
  tcpCertificateFile: option('xend-tcp-xmlrpc-server-ssl-cert-file', file(), '', 'acts', 'Its certificate.'),
  unixServer: option(
    'xend-unix-xmlrpc-server',
    yesNo(),
    'yes',
    'written',
    'Whether the agent also listens on /var/run/xend/xmlrpc.sock, when the option is in the file. Only root can open it.',
  ),
  dom0MinMemoryMib: option(
    'dom0-min-mem',
    kinds.integer(0, 2 ** 30, 'MiB'),
    '0',
    'acts',
    'Memory that guests leave to the server, where it is more than memory_reserve.',
  ),
  dom0Processors: option(
    'dom0-cpus',
    kinds.integer(0, 4096),
    '0',
    'acts',
    'How many processors the agent itself uses; 0 is all. Guests have all.',
  ),
  consoleLimitKib: option(
    'console-limit',
    kinds.integer(1, 2 ** 20, 'KiB'),
    '1024',
    'acts',
    "How much of each guest's console is kept.",
  ),
  enableDump: option(
    'enable-dump',
    yesNo(),
    'no',
    'acts',
    'Whether the memory of every guest that crashes is kept in /var/xen/dump.',
  ),
  vncListen: option(
    'vnc-listen',
    ipAddress(),
    '127.0.0.1',
    'acts',
    'Where the displays of guests listen that do not say it.',
  ),
  vncPassword: {
    ...option(
      'vncpasswd',
      anyText(),
      '',
      'acts',
      'The password of displays of guests that name none; an empty one asks for none.',
    ),
    isSecret: true,
  },
  keymap: option('keymap', keymap(), '', 'acts', 'Keyboard layout of guests that name none.'),
  networkScript: option(
    'network-script',
    anyText(),
    '',
    'acts',
    `${NO_SCRIPT} bridge=NAME in "network-bridge bridge=NAME" is the bridge of network cards that name none.`,
  ),
  vifScript: option(
    'vif-script',
    anyText(),
    'vif-bridge',
    'acts',
    `${NO_SCRIPT} bridge=NAME in "vif-bridge bridge=NAME" is the bridge of network cards that name none.`,
  ),
  relocationServer: option(
    'xend-relocation-server',
    yesNo(),
    'no',
    'migration',
    'Whether guests may come here by live migration.',
  ),
  relocationSslServer: option('xend-relocation-ssl-server', yesNo(), 'no', 'migration', 'The same, encrypted.'),
  relocationPort: option(
    'xend-relocation-port',
    kinds.integer(1, 65_535),
    '8002',
    'migration',
    'TCP port of live migration.',
  ),
  relocationSslPort: option(
    'xend-relocation-ssl-port',
    kinds.integer(1, 65_535),
    '8003',
    'migration',
    'The same, encrypted.',
  ),
  relocationAddress: option('xend-relocation-address', listenAddress(), '', 'migration', 'Address of live migration.'),
  relocationHosts: option(
    'xend-relocation-hosts-allow',
    anyText(),
    '',
    'migration',
    'Patterns of the servers from which guests may come.',
  ),
  relocationKeyFile: option('xend-relocation-server-ssl-key-file', file(), '', 'migration', 'Key of live migration.'),
  relocationCertificateFile: option(
    'xend-relocation-server-ssl-cert-file',
    file(),
    '',
    'migration',
    'Certificate of live migration.',
  ),
  relocationSsl: option('xend-relocation-ssl', yesNo(), 'no', 'migration', 'Whether guests leave encrypted.'),
  apiServer: option('xen-api-server', anyTextOrList(), '((unix))', 'none', REPLACED),
  httpServer: option('xend-http-server', yesNo(), 'no', 'none', REPLACED),
  unixHttpServer: option('xend-unix-server', yesNo(), 'no', 'none', REPLACED),
  udevServer: option('xend-udev-event-server', yesNo(), 'no', 'none', REPLACED),
  address: option('xend-address', anyText(), '', 'none', REPLACED),
  port: option('xend-port', kinds.integer(1, 65_535), '8000', 'none', REPLACED),
  unixPath: option('xend-unix-path', file(), '/var/lib/xend/xend-socket', 'none', REPLACED),
  domainsPath: option('xend-domains-path', file(), '/var/lib/xend/domains', 'none', FIXED_PLACE),
  statePath: option('xend-state-path', file(), '/var/lib/xend/state', 'none', FIXED_PLACE),
  storagePath: option('xend-storage-path', file(), '/var/lib/xend/storage', 'none', FIXED_PLACE),
  securityPath: option('xend-security-path', file(), '/var/lib/xend/security', 'none', FIXED_PLACE),
  externalMigrationTool: option('external-migration-tool', anyText(), '', 'none', NO_SCRIPT),
  resourceLabelScript: option('resource-label-change-script', anyText(), '', 'none', NO_SCRIPT),
  dom0Ballooning: option('enable-dom0-ballooning', yesNo(), 'yes', 'none', XEN_DOM0),
  totalMemory: option('total_available_memory', kinds.integer(0, 2 ** 20, 'GiB'), '0', 'none', XEN_DOM0),
  xsmModule: option('xsm_module_name', anyText(), 'dummy', 'none', XEN_DOM0),
  domainLock: option('xend-domain-lock', yesNo(), 'no', 'none', NO_LOCK),
  domainLockPath: option('xend-domain-lock-path', file(), '/var/lib/xen/images/vm_locks', 'none', NO_LOCK),
  domainLockUtility: option('xend-domain-lock-utility', anyText(), 'domain-lock', 'none', NO_LOCK),
  domainLockDevice: option('xend-domain-lock-device', anyText(), '', 'none', NO_LOCK),
  pscsiMask: option('pscsi-device-mask', anyTextOrList(), '(*)', 'none', 'Host SCSI devices are not handed to guests.'),
  strictPciCheck: option(
    'pci-passthrough-strict-check',
    yesNo(),
    'yes',
    'none',
    'Devices must be bound to vfio-pci, which is strict.',
  ),
  vncTls: option(
    'vnc-tls',
    kinds.integer(0, 1),
    '0',
    'none',
    'Displays are not encrypted; let them listen on 127.0.0.1 and use a tunnel.',
  ),
  vncCertificateDirectory: option('vnc-x509-cert-dir', file(), '/etc/xen/vnc', 'none', 'See vnc-tls.'),
  vncVerify: option('vnc-x509-verify', kinds.integer(0, 1), '0', 'none', 'See vnc-tls.'),
  logRotation: option(
    'qemu-dm-logrotate-count',
    kinds.integer(0, 10_000),
    '10',
    'none',
    'files_kept of agent.ini says how many logs are kept.',
  ),
  createTimeout: option(
    'device-create-timeout',
    kinds.integer(0, 100_000, 'seconds'),
    '100',
    'none',
    'See start_timeout of agent.ini.',
  ),
  destroyTimeout: option(
    'device-destroy-timeout',
    kinds.integer(0, 100_000, 'seconds'),
    '100',
    'none',
    'See stop_timeout of agent.ini.',
  ),
} as const;

/** The options as a document for operators. */
export function documentedXendOptions(): string {
  const words: Readonly<Record<XendEffect, string>> = {
    acts: 'yes',
    written: 'when written',
    migration: 'with migration',
    none: 'no',
  };
  const rows = Object.values<XendOption>(xendOptions).map(
    ({ default: standard, effect, kind, name, summary }) =>
      `| \`${name}\` | ${kind.expected} | \`${standard === '' ? "''" : standard}\` | ${words[effect]} | ${summary} |`,
  );
  return [
    '# xend-config.sxp',
    '',
    'The agent reads `/etc/xen/xend-config.sxp` where it is there, and does what its options ask as far as they mean something',
    'here. What agent.ini says is over it. `ovs-agent config show` tells what holds and where it came from, `ovs-agent doctor`',
    'what is without effect. Of an option that stands twice the last one holds, while xend took the first.',
    '',
    '| option | it must be | default | acts | what it does here |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
