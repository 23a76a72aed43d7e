import { posix } from 'node:path';
import { AgentError } from '../errors.ts';
import { SANDBOXED_FILE } from '../host/sandbox.ts';
import { quote } from '../model/guest-path.ts';
import { type ImageProgramParts, runImageProgram } from './image-program.ts';
import type { Partition } from './partitions.ts';

/** A regular file as it stands in its file system; a replacement takes these over. */
export interface FoundFile {
  /** Where it lies; no element is a link. */
  readonly path: string;
  readonly permissions: number;
  readonly user: number;
  readonly group: number;
  readonly text: string;
  readonly attributes: readonly ExtendedAttribute[];
}

export interface ExtendedAttribute {
  readonly name: string;
  readonly value: Buffer;
}

/** debugfs splits its lines like a shell; none of these means anything to it. */
const PLAIN_PATH = /^\/[A-Za-z0-9_.+/-]{0,400}$/;
const ATTRIBUTE_NAME = /^[a-z]+\.[A-Za-z0-9_.]{1,200}$/;
const DIRECTORY_LINE = /^\/\d+\/100\d{3}\/\d+\/\d+\/([A-Za-z0-9_.+-]{1,255})\/\d*\/$/;
const MOST_LINKS = 16;
const MOST_ATTRIBUTES = 16;
const LISTING_LIMIT_BYTES = 256 * 1024;
/** Immutable, append only, compressed, encrypted, verity: of chattr(1), and lost in a new file. */
const SPECIAL_FLAGS = 0x10 | 0x20 | 0x4 | 0x800 | 0x10_0000;

/** Reads files of an ext2, ext3 or ext4 file system in an image with debugfs(8), in the sandbox. */
export class ExtVolume {
  readonly partition: Partition;
  readonly image: string;
  readonly #parts: ImageProgramParts;

  constructor(image: string, partition: Partition, parts: ImageProgramParts) {
    this.image = image;
    this.partition = partition;
    this.#parts = parts;
  }

  /** For messages. */
  get name(): string {
    const { number } = this.partition;
    return number === undefined ? this.image : `partition ${number} of ${this.image}`;
  }

  /**
   * A text file; links are followed inside the file system.
   * @returns undefined when there is no such file
   * @throws AgentError NOT_SUPPORTED when it is larger than `limitBytes`, no regular file, linked twice, not text in UTF-8 or
   *   ASCII, or a link leads in a circle
   */
  async readFile(path: string, limitBytes: number): Promise<FoundFile | undefined> {
    const found = await this.#follow(path);
    if (!found) return undefined;
    const { fields, path: place } = found;
    if (fields.type !== 'regular') throw this.#refusal(place, `it is a ${fields.type}; a regular file is needed`);
    if (fields.links !== 1) throw this.#refusal(place, `it has ${fields.links} names; a file with one name is needed`);
    if ((fields.flags & SPECIAL_FLAGS) !== 0) {
      throw this.#refusal(place, 'it is protected by chattr; take that back in the guest first');
    }
    const tooLarge = `it is larger than ${limitBytes} bytes; a smaller file is needed`;
    if (fields.size > limitBytes) throw this.#refusal(place, tooLarge);
    const text = await this.#debugfs(`cat ${place}`, place, limitBytes + 1);
    if (Buffer.byteLength(text) !== fields.size || text.includes('\0')) {
      throw this.#refusal(place, 'it is no text in UTF-8; convert it by hand in the guest');
    }
    const { group, permissions, user } = fields;
    return { path: place, permissions, user, group, text, attributes: await this.#attributes(place) };
  }

  /** Names of the regular files of a directory; none when there is no such directory. */
  async list(directory: string): Promise<readonly string[]> {
    const found = await this.#follow(directory);
    if (found?.fields.type !== 'directory') return [];
    const listing = await this.#debugfs(`ls -p ${found.path}`, found.path, LISTING_LIMIT_BYTES);
    return listing.split('\n').flatMap(line => DIRECTORY_LINE.exec(line)?.[1] ?? []);
  }

  /** Walks element by element, so that it is known where the file lies in the end. */
  async #follow(path: string): Promise<{ readonly path: string; readonly fields: Fields } | undefined> {
    const left = path.split('/').filter(part => part !== '');
    let place = '/';
    let fields = await this.#stat('/');
    for (let links = 0; left.length > 0; ) {
      const next = posix.join(place, left.shift()!);
      fields = fields && (await this.#stat(next));
      if (!fields) return undefined;
      if (fields.type !== 'symlink') {
        place = next;
        continue;
      }
      links += 1;
      if (links > MOST_LINKS) throw this.#refusal(path, 'its links lead in a circle; a file is needed');
      const { link } = fields;
      if (link === undefined) throw this.#refusal(next, 'it is a link that is too long; a file is needed');
      if (!PLAIN_PATH.test(`/${link}`)) throw this.#refusal(next, `it leads to ${quote(link)}; a plain name is needed`);
      left.unshift(...link.split('/').filter(part => part !== ''));
      if (link.startsWith('/')) place = '/';
      fields = await this.#stat(place);
    }
    return fields && { path: place, fields };
  }

  async #stat(path: string): Promise<Fields | undefined> {
    const text = await this.#debugfs(`stat ${path}`, path, LISTING_LIMIT_BYTES);
    return text === '' ? undefined : readFields(text);
  }

  async #attributes(path: string): Promise<ExtendedAttribute[]> {
    const listed = await this.#debugfs(`ea_list ${path}`, path, LISTING_LIMIT_BYTES);
    const names = [...listed.matchAll(/^ {2}(\S+) \(\d+\)/gm)].map(match => match[1]!);
    if (names.length > MOST_ATTRIBUTES || !names.every(name => ATTRIBUTE_NAME.test(name))) {
      throw this.#refusal(path, 'its extended attributes cannot be kept; change it by hand in the guest');
    }
    const attributes: ExtendedAttribute[] = [];
    for (const name of names) {
      const shown = await this.#debugfs(`ea_get -r -x ${path} ${name}`, path, LISTING_LIMIT_BYTES);
      const digits = shown.slice(shown.indexOf('=') + 1).replaceAll(/\s/g, '');
      attributes.push({ name, value: Buffer.from(digits, 'hex') });
    }
    return attributes;
  }

  /** @returns what it wrote; nothing when there is no such file */
  async #debugfs(request: string, path: string, outputLimitBytes: number): Promise<string> {
    if (!PLAIN_PATH.test(path))
      throw this.#refusal(path, 'its name cannot be given to debugfs; a plain name is needed');
    const device = deviceOf(SANDBOXED_FILE, this.partition);
    const result = await runImageProgram('debugfs', ['-R', request, device], this.#parts, {
      file: this.image,
      outputLimitBytes,
      debianPackage: 'e2fsprogs',
    });
    const trouble = troubleOf(result.stderr);
    if (trouble === undefined && result.exitCode === 0) return result.stdout;
    if (trouble?.includes('File not found by ext2_lookup')) return '';
    throw this.#refusal(path, `${quote(trouble ?? `debugfs ended with ${result.exitCode}`)}; it must be repaired`);
  }

  #refusal(path: string, why: string): AgentError {
    return new AgentError('NOT_SUPPORTED', `read ${quote(path)} in ${this.name}: ${why}`);
  }
}

/** The name by which programs of e2fsprogs open a file system inside an image. */
export function deviceOf(file: string, { offsetBytes }: Partition): string {
  return offsetBytes === 0 ? file : `${file}?offset=${offsetBytes}`;
}

/** debugfs ends with 0 whatever happened; what it says behind its version tells. */
export function troubleOf(stderr: string): string | undefined {
  const said = stderr
    .split('\n')
    .filter(line => line.trim() !== '' && !/^debugfs \d/.test(line))
    .join('; ');
  return said === '' ? undefined : said;
}

interface Fields {
  readonly type: string;
  readonly permissions: number;
  readonly flags: number;
  readonly user: number;
  readonly group: number;
  readonly size: number;
  readonly links: number;
  /** Where a link leads, when that is in the inode itself: up to 59 bytes. */
  readonly link: string | undefined;
}

/** The form that the command `stat` of debugfs writes. */
function readFields(text: string): Fields {
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
  return {
    type: /\bType: (.+?) +Mode:/.exec(text)?.[1] ?? 'file of an unknown kind',
    permissions: Number.parseInt(/\bMode: +(\d+)/.exec(text)?.[1] ?? '', 8) & 0o7777,
    flags: number(/\bFlags: (0x[\da-f]+)/),
    user: number(/^User: +(\d+)/m),
    group: number(/\bGroup: +(\d+)/),
    size: number(/\bSize: (\d+)/),
    links: number(/^Links: (\d+)/m),
    link: /^Fast link dest: "(.*)"$/ms.exec(text)?.[1],
  };
}
