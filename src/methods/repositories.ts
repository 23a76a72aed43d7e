import { parseRepositoryId, parseRepositorySource, type RepositoryId } from '../model/repository.ts';
import { parseDescription, parseShared } from '../model/repository-stamp.ts';
import { defineMethod } from '../rpc/method.ts';
import { choice, optional, flag, refined, text } from '../rpc/params.ts';
import { inJson, nothing, numberedPairs, pairs, record } from '../rpc/results.ts';
import type { RepositoryFacts } from '../services/repositories.ts';
import type { XmlRpcStruct } from '../xmlrpc/values.ts';

const area = 'Storage repositories';

const EXAMPLE_ID = '0123456789ABCDEF0123456789ABCDEF';
const MIB = 2 ** 20;

const repositoryId = refined(text('The uuid of the repository', { example: EXAMPLE_ID }), parseRepositoryId);
const description = refined(text('What people call it, one line', { example: 'images' }), parseDescription);

/** What mounting can answer. */
const mountErrors = [
  'BAD_VALUE',
  'BAD_CONFIG',
  'NO_SUCH_FILE',
  'IN_USE',
  'EXISTS',
  'BUSY',
  'NO_RESOURCES',
  'CANCELLED',
  'TIMEOUT',
  'HOST',
] as const;

export const repositoryMethods = [
  defineMethod({
    name: 'make_repository',
    area,
    summary:
      'Make a repository of a file system, with its directories, and mount it now and at each start. A source that is one already ' +
      'keeps its uuid and all that is in it.',
    access: 'admin',
    runsOn: 'this-server',
    isLong: true,
    params: {
      source: refined(
        text('A block device with a file system, a directory of this server, or host:/path of an NFS server', {
          example: '/dev/sdb1',
        }),
        parseRepositorySource,
      ),
      shared: refined(
        text('Who has it. 0: for this server, 1: for several, C: for several, and the default one here', {
          example: '0',
        }),
        parseShared,
      ),
      description,
      options: optional(text('Mount options, such as hard,vers=4', { example: 'noatime' })),
    },
    returns: pairs({ uuid: 'of the repository', mount_point: 'where its files are' }),
    errors: mountErrors,
    async run({ repositories }, wish, call) {
      const uuid = await repositories.make(call, wish);
      return { uuid, mount_point: mountPointOf(uuid) };
    },
  }),
  defineMethod({
    name: 'offline_repository',
    area,
    summary: 'Unmount a repository that nobody needs. Without forget it is mounted again at the next start.',
    access: 'admin',
    runsOn: 'this-server',
    params: {
      uuid: repositoryId,
      source: refined(text('Its source, as list_repositories shows it', { example: '/dev/sdb1' }), sourceText),
      forget: optional(flag('Also take it from the list of repositories; its files stay')),
    },
    returns: nothing(),
    errors: ['BAD_VALUE', 'NO_SUCH_RECORD', 'IN_USE', 'BUSY', 'TIMEOUT', 'HOST'],
    run: ({ repositories }, { forget, source, uuid }, call) =>
      repositories.offline(call, uuid, source, forget ?? false),
  }),
  defineMethod({
    name: 'list_repositories',
    area,
    summary: 'All repositories of this server, the default one first.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record(
      'an array of structs: uuid (empty for a directory that was never made a repository), source, description, shared, default, ' +
        'state (mounted, hung, offline, refused, unreachable), reason, mount_point, type, size_mib, free_mib; what is not known is left out',
      'array',
      [],
    ),
    errors: ['HOST'],
    run: async ({ repositories }) => (await repositories.list()).map(structOf),
  }),
  defineMethod({
    name: 'mount_repositories',
    area,
    summary: 'Mount all repositories that are listed and not mounted, those taken offline among them.',
    access: 'admin',
    runsOn: 'this-server',
    params: {},
    returns: nothing(),
    errors: mountErrors,
    run: ({ repositories }) => repositories.mountAll(),
  }),
  defineMethod({
    name: 'unmount_repositories',
    area,
    summary: 'Take all repositories offline that nobody needs, until the next start.',
    access: 'admin',
    runsOn: 'this-server',
    params: {},
    returns: nothing(),
    errors: ['IN_USE', 'BUSY', 'TIMEOUT', 'HOST'],
    run: ({ repositories }, _none, call) => repositories.unmountAll(call),
  }),
  defineMethod({
    name: 'get_storage_repos',
    area,
    summary: 'Free space of each repository that is mounted.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: numberedPairs(
      '`success:MOUNT=FREE;…`, with the free space of each in MiB',
      `success:${mountPointOf(EXAMPLE_ID as RepositoryId)}=10240`,
    ),
    errors: ['HOST'],
    run: async ({ repositories }) => {
      const mounted = (await repositories.list()).filter(({ state }) => state === 'mounted');
      return Object.fromEntries(mounted.map(({ freeBytes, mountPoint }) => [mountPoint, mib(freeBytes) ?? 0]));
    },
  }),
  defineMethod({
    name: 'sp_create',
    area,
    summary: 'Make storage known. Nothing is written to it until sr_do initializes its repository.',
    access: 'admin',
    runsOn: 'this-server',
    params: {
      type: choice('What it is', ['OVSSPNFS', 'OVSSPOCFS2', 'OVSSPPartition']),
      source: refined(
        text('Where it is: host:/path of an NFS server, or a block device with a file system', {
          example: 'nfs1:/export',
        }),
        sourceText,
      ),
    },
    returns: inJson('uuid'),
    errors: mountErrors,
    run: async ({ storagePools }, { source, type }, call) => dashed(await storagePools.createPool(call, type, source)),
  }),
  defineMethod({
    name: 'sr_create',
    area,
    summary: 'Make the repository of such storage known, by a name.',
    access: 'admin',
    runsOn: 'this-server',
    params: {
      sp_uuid: refined(text('What sp_create answered', { example: EXAMPLE_ID }), idText),
      name_label: text('What people call it, one line', { example: 'images' }),
    },
    returns: inJson('uuid'),
    errors: ['BAD_VALUE', 'NO_SUCH_RECORD'],
    run: async ({ storagePools }, { name_label: label, sp_uuid: pool }) =>
      dashed(await storagePools.createRepository(pool, label)),
  }),
  defineMethod({
    name: 'sr_do',
    area,
    summary: 'Make such a repository and mount it.',
    access: 'admin',
    runsOn: 'this-server',
    isLong: true,
    params: {
      sr_uuid: refined(text('What sr_create answered', { example: EXAMPLE_ID }), idText),
      action: choice('What is to be done', ['initialize']),
    },
    returns: inJson('uuid'),
    errors: ['NO_SUCH_RECORD', ...mountErrors],
    async run({ storagePools }, { sr_uuid: repository }, call) {
      await storagePools.initialize(call, repository);
      return dashed(parseRepositoryId(repository));
    },
  }),
];

function mountPointOf(id: RepositoryId): string {
  return `/var/ovs/mount/${id}`;
}

/** The usual form of a uuid (RFC 9562, section 4). */
function dashed(id: RepositoryId): string {
  return id.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function mib(bytes: number | undefined): number | undefined {
  return bytes === undefined ? undefined : Math.floor(bytes / MIB);
}

function structOf(facts: RepositoryFacts): XmlRpcStruct {
  const known = {
    uuid: facts.id ?? '',
    source: facts.source,
    description: facts.description,
    shared: facts.shared,
    default: facts.isDefault,
    state: facts.state,
    reason: facts.reason,
    mount_point: facts.mountPoint,
    type: facts.type,
    size_mib: mib(facts.sizeBytes),
    free_mib: mib(facts.freeBytes),
  };
  return Object.fromEntries(
    Object.entries(known).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined),
  );
}

/** @throws AgentError BAD_VALUE when it is no source of a repository */
function sourceText(text: string): string {
  parseRepositorySource(text);
  return text;
}

/** @throws AgentError BAD_VALUE when it is no uuid */
function idText(text: string): string {
  parseRepositoryId(text);
  return text;
}
