import { readFileSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { readHostFacts } from '../../src/host/inventory.ts';
import { AgentError } from '../../src/errors.ts';
import type { GuestConfig } from '../../src/model/guest-config.ts';
import { DEFAULT_REPOSITORY, type GuestPath, parseGuestPath } from '../../src/model/guest-path.ts';
import { applyChanges, type ConfigChanges } from '../../src/vmcfg/changes.ts';
import { guestSxp } from '../../src/vmcfg/guest-sxp.ts';
import { guestXml } from '../../src/vmcfg/guest-xml.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { useConsole } from '../console.ts';
import type { LocalAgent } from './agent.ts';

export interface CreateOptions {
  readonly console?: boolean;
  readonly quiet?: boolean;
  readonly paused?: boolean;
  readonly dryrun?: boolean;
  readonly xmldryrun?: boolean;
  readonly path?: string;
}

/** Keys whose values are lists: given once or several times, each time stands for one item. */
const LISTS = new Set(['disk', 'vif', 'vfb', 'pci', 'ioports', 'irq', 'usbport', 'vtpm', 'access_control']);

/**
 * Starts a guest from its file.
 * @param file the guest file, its directory, or the name of a registered guest
 * @param words `name=value`, in place of what the file says, for this start only
 */
export async function createDomain(
  agent: LocalAgent,
  file: string,
  words: readonly string[],
  options: CreateOptions,
): Promise<void> {
  const overrides = overridesFrom(words);
  if (options.dryrun || options.xmldryrun) {
    const config = await readConfig(agent, file, overrides, options);
    process.stdout.write(options.xmldryrun ? guestXml(config) : guestSxp(config));
    return;
  }
  const path = await guestOf(agent, file, options);
  const isOverridden = Object.keys(overrides).length > 0;
  await agent.act('start_vm', path, '', ...(isOverridden ? [overrides] : []));
  if (options.paused) await agent.act('pause_vm', path);
  if (!options.quiet) {
    process.stdout.write(`Using config file "${path}/vm.cfg".\nStarted domain ${basename(path)}\n`);
  }
  if (options.console) await useConsole(agent.paths, path, { history: '16384' });
}

/** Makes a guest known whose file is there. */
export async function newDomain(agent: LocalAgent, file: string, options: CreateOptions): Promise<void> {
  const path = await guestOf(agent, file, options);
  await agent.act('register_vm', path);
  process.stdout.write(`Using config file "${path}/vm.cfg".\n`);
}

/** @throws AgentError BAD_VALUE */
export function overridesFrom(words: readonly string[]): ConfigChanges {
  const overrides: Record<string, unknown> = {};
  for (const word of words) {
    const [, key, value] = /^([A-Za-z_]\w*)=(.*)$/s.exec(word) ?? [];
    if (key === undefined || value === undefined) {
      throw new AgentError('BAD_VALUE', `${JSON.stringify(word)} is not name=value, such as memory=256`);
    }
    overrides[key] = LISTS.has(key) ? [...((overrides[key] as unknown[] | undefined) ?? []), value] : plain(value);
  }
  return overrides;
}

/** Numbers are numbers; everything else is the text that it is. */
function plain(value: string): string | number {
  return /^-?\d{1,9}$/.test(value) ? Number(value) : value;
}

/**
 * The guest whose file is meant. Only a guest in a repository can be started: what it needs lies there too, and its state is
 * kept beside it.
 */
async function guestOf(agent: LocalAgent, file: string, options: CreateOptions): Promise<GuestPath> {
  if (!file.includes('/') && file !== 'vm.cfg') {
    const guests = await agent.guests();
    if (guests.some(guest => guest.name === file)) return (await agent.find(file)).path as GuestPath;
  }
  const place = placeOf(file, options);
  const directory = place.endsWith('/vm.cfg') ? dirname(place) : place;
  try {
    return parseGuestPath(agent.paths.asGiven(directory));
  } catch {
    throw new AgentError(
      'BAD_VALUE',
      `${file} is no guest file in a repository; make the directory ${DEFAULT_REPOSITORY}/running_pool/NAME and put it there as vm.cfg`,
    );
  }
}

function placeOf(file: string, { path }: CreateOptions): string {
  return isAbsolute(file) ? file : join(path ?? process.cwd(), file);
}

/** Without the agent: what the file says is read here. */
async function readConfig(
  agent: LocalAgent,
  file: string,
  overrides: ConfigChanges,
  options: CreateOptions,
): Promise<GuestConfig> {
  const place = file.includes('/') ? placeOf(file, options) : await guestOf(agent, file, options);
  const given = agent.paths.asGiven(place);
  const name = given.endsWith('/vm.cfg') ? dirname(given) : given;
  let bytes: Buffer;
  let path: GuestPath;
  try {
    bytes = readFileSync(agent.paths.onDisk(given.endsWith('/vm.cfg') ? given : `${name}/vm.cfg`));
    path = parseGuestPath(name);
  } catch {
    // A file that lies anywhere can be looked at, if not started.
    bytes = readAnywhere(place);
    path = parseGuestPath(`${DEFAULT_REPOSITORY}/running_pool/${basename(place).replace(/\.cfg$/, '') || 'guest'}`);
  }
  const reader = new GuestReader({ uname: readHostFacts().uname });
  const changed = reader.edit(bytes, path, editor => applyChanges(editor, overrides));
  return reader.readConfig(changed, path);
}

function readAnywhere(place: string): Buffer {
  try {
    return readFileSync(place);
  } catch (cause) {
    throw new AgentError('NO_SUCH_FILE', `${place} cannot be read; give the file of a guest, or the name of one`, {
      cause,
    });
  }
}
