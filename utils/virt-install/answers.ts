import { posix } from 'node:path';
import { AgentError } from '../../src/errors.ts';
import { type GuestPath, parseGuestPath, quote } from '../../src/model/guest-path.ts';
import type { NewGuest, NewGuestDisk } from '../../src/model/new-guest.ts';
import type { Interview } from './interview.ts';
import type { InstallOptions } from './options.ts';
import { questions, readDiskSize, readLocation, readMemory, readName, readVcpus, readYesOrNo } from './questions.ts';

/** What must be known of the server before a guest is described; paths as callers of the agent give them. */
export interface ServerView {
  readonly processors: number;
  /** What lies at a path. */
  kindOf(path: string): 'file' | 'device' | 'directory' | 'nothing';
  /** The absolute path of what somebody typed. */
  resolve(text: string): string;
}

/** Everything that the options leave open has an answer. */
export interface Answers {
  readonly path: GuestPath;
  readonly type: NewGuest['type'];
  readonly memory: number;
  readonly vcpus: number;
  readonly disks: readonly NewGuestDisk[];
  readonly display: NewGuest['display']['type'];
  readonly install: NewGuest['install'];
}

/**
 * Asks what the options leave open, in virtinst's order.
 * @throws AgentError BAD_VALUE, NO_SUCH_FILE, EXISTS for options that cannot be, and when answers run out
 */
export async function completeAnswers(
  options: InstallOptions,
  interview: Interview,
  server: ServerView,
): Promise<Answers> {
  // A repository that is none is no matter of the name that is asked for.
  parseGuestPath(posix.join(options.repository, 'running_pool', 'guest'));
  const type = await typeOf(options, interview);
  const path = await interview.answer(questions.name, '--name', options.name, name => newPath(options, name, server));
  const memory = await interview.answer(questions.memory, '--ram', options.ram?.toString(), readMemory);
  const vcpus = await vcpusOf(options, interview, server);
  const disks = await disksOf(path, options, interview, server);
  const display = await displayOf(options, interview);
  const install = await installOf(type, options, interview, server);
  return { path, type, memory, vcpus, disks, display, install };
}

/** virtinst asks unless --hvm or --paravirt is there; here what only one of the two can do says it as well. */
async function typeOf(options: InstallOptions, interview: Interview): Promise<NewGuest['type']> {
  const { cdrom, hvm, livecd, location, paravirt, pxe } = options;
  if (hvm === true || cdrom !== undefined || livecd === true || pxe === true) return 'hvm';
  if (paravirt === true || location !== undefined) return 'para';
  const isFull = await interview.answer(questions.kind, '--hvm or --paravirt', undefined, readYesOrNo);
  return isFull ? 'hvm' : 'para';
}

function newPath({ repository }: InstallOptions, text: string, server: ServerView): GuestPath {
  const name = readName(text);
  const path = parseGuestPath(posix.join(repository, 'running_pool', name));
  if (server.kindOf(path) !== 'nothing') throw new AgentError('EXISTS', `Domain named ${name} already exists!`);
  return path;
}

async function vcpusOf({ checkCpu, vcpus }: InstallOptions, interview: Interview, server: ServerView): Promise<number> {
  let wanted = readVcpus(String(vcpus ?? 1));
  while (checkCpu === true && wanted > server.processors) {
    if (await interview.yesOrNo(questions.manyVcpus(wanted, server.processors), '--vcpus')) break;
    wanted = await interview.answer(questions.vcpus, '--vcpus', undefined, readVcpus);
  }
  return wanted;
}

async function disksOf(
  path: GuestPath,
  options: InstallOptions,
  interview: Interview,
  server: ServerView,
): Promise<readonly NewGuestDisk[]> {
  const { file = [], fileSize = [], livecd, nodisks } = options;
  const given = Math.max(file.length, fileSize.length);
  if (nodisks === true || (livecd === true && given === 0)) return [];
  const disks: NewGuestDisk[] = [];
  for (let index = 0; index < Math.max(1, given); index += 1) {
    const disk = new DiskInterview(path, options, interview, server, fileSize[index]);
    disks.push(await disk.ask(file[index]));
  }
  return disks;
}

/** One disk: where it lies, and how large it is if it is to be made. */
class DiskInterview {
  readonly #path: GuestPath;
  readonly #options: InstallOptions;
  readonly #interview: Interview;
  readonly #server: ServerView;
  readonly #gigabytes: number | undefined;

  constructor(
    path: GuestPath,
    options: InstallOptions,
    interview: Interview,
    server: ServerView,
    gigabytes: number | undefined,
  ) {
    this.#path = path;
    this.#options = options;
    this.#interview = interview;
    this.#server = server;
    this.#gigabytes = gigabytes;
  }

  async ask(given: string | undefined): Promise<NewGuestDisk> {
    const size = this.#gigabytes;
    const question = size === undefined ? questions.disk : questions.diskOfSize(size);
    // With --force, a size alone is enough: the image lies in the guest's directory.
    const known = given ?? (this.#interview.isForced && size !== undefined ? '' : undefined);
    const chosen = await this.#interview.answer(question, '--file', known, text => this.#place(text));
    if (chosen.device !== undefined) return chosen;
    if (chosen.file !== undefined && this.#server.kindOf(chosen.file) === 'file') {
      const isMeant = this.#options.import === true || (await this.#mayUse(chosen.file));
      return isMeant ? chosen : this.ask(undefined);
    }
    const where = chosen.file ?? this.#path;
    const mib = await this.#interview.answer(questions.diskSize(where), '--file-size', size?.toString(), readDiskSize);
    return { ...chosen, size: mib, ...(this.#options.nonsparse === true ? { preallocate: true } : {}) };
  }

  #place(text: string): Pick<NewGuestDisk, 'file' | 'device'> {
    const { import: isImport } = this.#options;
    if (text === '' && isImport !== true) return {};
    const path = this.#server.resolve(text);
    switch (this.#server.kindOf(path)) {
      case 'device':
        return { device: path };
      case 'file':
        return { file: path };
      case 'directory':
        throw new AgentError('BAD_VALUE', `The path ${quote(path)} must be a file or a device, not a directory`);
      case 'nothing':
        if (isImport !== true) return { file: path };
        throw new AgentError(
          'NO_SUCH_FILE',
          `${quote(path)} does not exist; --import needs a disk with a system on it`,
        );
    }
  }

  #mayUse(path: string): Promise<boolean> {
    return this.#interview.yesOrNo(questions.overwrite(path), 'another --file');
  }
}

async function displayOf(options: InstallOptions, interview: Interview): Promise<Answers['display']> {
  if (options.nographics === true) return 'none';
  if (options.sdl === true) return 'sdl';
  if (options.vnc === true || options.vncport !== undefined) return 'vnc';
  return (await interview.yesOrNo(questions.graphics, '--vnc or --nographics')) ? 'vnc' : 'none';
}

async function installOf(
  type: NewGuest['type'],
  options: InstallOptions,
  interview: Interview,
  server: ServerView,
): Promise<NewGuest['install']> {
  if (options.import === true) return { from: 'disk' };
  if (type === 'para') {
    const location = await interview.answer(questions.location, '--location', options.location, readLocation);
    return { from: 'tree', location, arguments: options.extraArgs ?? '' };
  }
  if (options.pxe === true) return { from: 'network' };
  const iso = await interview.answer(questions.cdrom, '--cdrom', options.cdrom, text => mediumAt(text, server));
  return { from: 'iso', iso, ...(options.livecd === true ? { live: true } : {}) };
}

function mediumAt(text: string, server: ServerView): string {
  if (/^[a-z]+:/i.test(text)) {
    throw new AgentError(
      'BAD_VALUE',
      `${quote(text)} is no CD image on this server; a fully virtualized guest is installed from one, such as /OVS/iso_pool/NAME.iso`,
    );
  }
  const path = server.resolve(text);
  switch (server.kindOf(path)) {
    case 'file':
      return path;
    case 'device':
      throw new AgentError(
        'BAD_VALUE',
        `${quote(path)} is a device; copy the CD to an image in iso_pool, and give that`,
      );
    case 'directory':
    case 'nothing':
      throw new AgentError('NO_SUCH_FILE', `The specified path ${quote(text)} does not exist, or is no file`);
  }
}
