import { AgentError } from '../errors.ts';
import { quote } from './guest-path.ts';

/** What every repository is mounted with: strangers write the files in it. */
export const FORCED_OPTIONS = ['nosuid', 'nodev', 'noexec'] as const;

const ANY = [
  'defaults',
  'rw',
  'ro',
  'sync',
  'async',
  'atime',
  'noatime',
  'diratime',
  'nodiratime',
  'relatime',
  'strictatime',
  'lazytime',
  '_netdev',
];

const EXT4 = [
  ...['acl', 'noacl', 'user_xattr', 'nouser_xattr', 'discard', 'nodiscard', 'delalloc', 'nodelalloc', 'nobarrier'],
  ...[
    'barrier=0',
    'barrier=1',
    'data=ordered',
    'data=journal',
    'data=writeback',
    'errors=remount-ro',
    'errors=continue',
  ],
  ...['commit=#', 'stripe=#', 'max_batch_time=#', 'min_batch_time=#'],
];

const NFS = [
  ...[
    'hard',
    'soft',
    'softerr',
    'softreval',
    'intr',
    'nointr',
    'fg',
    'tcp',
    'udp',
    'lock',
    'nolock',
    'ac',
    'noac',
    'cto',
    'nocto',
  ],
  ...['rdirplus', 'nordirplus', 'sharecache', 'nosharecache', 'resvport', 'noresvport', 'acl', 'noacl'],
  ...[
    'vers=#',
    'nfsvers=#',
    'minorversion=#',
    'mountvers=#',
    'port=#',
    'mountport=#',
    'rsize=#',
    'wsize=#',
    'timeo=#',
    'retrans=#',
    'retry=#',
  ],
  ...['acregmin=#', 'acregmax=#', 'acdirmin=#', 'acdirmax=#', 'actimeo=#', 'nconnect=#', 'max_connect=#', 'namlen=#'],
  ...[
    'proto=tcp',
    'proto=tcp6',
    'proto=udp',
    'proto=udp6',
    'proto=rdma',
    'mountproto=tcp',
    'mountproto=udp',
    'mountproto=tcp6',
    'mountproto=udp6',
  ],
  ...[
    'sec=sys',
    'sec=krb5',
    'sec=krb5i',
    'sec=krb5p',
    'local_lock=none',
    'local_lock=all',
    'local_lock=flock',
    'local_lock=posix',
  ],
  ...['lookupcache=all', 'lookupcache=none', 'lookupcache=pos', 'xprtsec=none', 'xprtsec=tls', 'xprtsec=mtls'],
];

/**
 * Options that may be given, by file system; `#` stands for a number. Sources: mount(8), ext4(5), xfs(5), btrfs(5), nfs(5),
 * and the kernel's Documentation/filesystems/ocfs2.rst.
 */
const BY_TYPE: Readonly<Record<string, readonly string[]>> = {
  bind: [],
  ext2: ['acl', 'noacl', 'user_xattr', 'nouser_xattr', 'errors=remount-ro', 'errors=continue'],
  ext3: EXT4,
  ext4: EXT4,
  xfs: [
    'discard',
    'nodiscard',
    'inode32',
    'inode64',
    'largeio',
    'nolargeio',
    'nouuid',
    'allocsize=#',
    'logbufs=#',
    'logbsize=#',
    'swalloc',
    'wsync',
  ],
  btrfs: [
    ...[
      'acl',
      'noacl',
      'autodefrag',
      'noautodefrag',
      'datacow',
      'nodatacow',
      'datasum',
      'nodatasum',
      'discard',
      'discard=async',
      'discard=sync',
      'nodiscard',
    ],
    ...[
      'compress',
      'compress=zlib',
      'compress=lzo',
      'compress=zstd',
      'compress=no',
      'ssd',
      'nossd',
      'space_cache=v2',
      'barrier',
      'nobarrier',
      'commit=#',
    ],
  ],
  nfs: NFS,
  nfs4: NFS,
  ocfs2: [
    ...[
      'acl',
      'noacl',
      'intr',
      'nointr',
      'localflocks',
      'datavolume',
      'inode64',
      'heartbeat=local',
      'heartbeat=none',
      'heartbeat=global',
    ],
    ...[
      'data=ordered',
      'data=writeback',
      'errors=remount-ro',
      'barrier=0',
      'barrier=1',
      'coherency=full',
      'coherency=buffered',
    ],
    ...['commit=#', 'localalloc=#', 'atime_quantum=#', 'preferred_slot=#'],
  ],
};

const REFUSED: Readonly<Record<string, string>> = {
  suid: 'programs of strangers would run as root',
  dev: 'files of strangers could be devices of this server',
  exec: 'programs of strangers could be run',
  panic: 'an error of one disk would end this server with all guests',
  bg: 'it would count as mounted before it is',
  user: 'only root mounts repositories',
  users: 'only root mounts repositories',
  owner: 'only root mounts repositories',
  bind: 'name the directory as the source instead',
  remount: 'options hold from the next mount on',
  loop: 'make the loop device with losetup, and name that as the source',
};

/** Whether repositories can lie on that file system. */
export function isKnownFileSystem(type: string): boolean {
  return type in BY_TYPE && type !== 'bind';
}

export function knownFileSystems(): readonly string[] {
  return Object.keys(BY_TYPE).filter(isKnownFileSystem);
}

/**
 * The options with which a repository is mounted.
 * @param text of /etc/ovs/repositories.options, such as `rsize=32768,hard`; `-o` may stand before it
 * @param type the file system, or `bind` for a directory
 * @throws AgentError BAD_CONFIG that names every option that may not be given, and why
 */
export function mountOptions(text: string, type: string): readonly string[] {
  const given = text
    .replace(/^-o\s*/, '')
    .split(/[,\s]+/)
    .filter(option => option !== '');
  const allowed = [...ANY, ...FORCED_OPTIONS, ...(BY_TYPE[type] ?? [])];
  const refusals = given.flatMap(option => {
    const form = option.replace(/=[0-9][0-9.]{0,9}[kKmMgG]?$/, '=#');
    return allowed.includes(option) || allowed.includes(form) ? [] : [whyNot(option, type)];
  });
  if (refusals.length > 0) {
    throw new AgentError(
      'BAD_CONFIG',
      `mount options ${quote(text)}: ${refusals.join('; ')}; take them out of /etc/ovs/repositories.options`,
    );
  }
  const passed = given.filter(option => option !== 'defaults' && option !== '_netdev');
  return [...new Set([...passed, ...FORCED_OPTIONS])];
}

function whyNot(option: string, type: string): string {
  const [name = '', value] = option.split('=', 2);
  const reason = REFUSED[name] ?? (value === undefined ? undefined : REFUSED[value]);
  return `${quote(option)} ${reason === undefined ? `is none of those that may be given for ${type === 'bind' ? 'a directory' : type}` : `may not be given: ${reason}`}`;
}
