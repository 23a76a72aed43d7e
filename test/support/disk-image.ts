import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** What a file system holds: text or bytes of a file, or where a link leads. */
export type Files = Readonly<Record<string, string | Buffer | { readonly link: string }>>;

const MIB = 1024 * 1024;
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

const run = (program: string, args: readonly string[], input = ''): void => {
  execFileSync(program, args, { input, env: environment, stdio: ['pipe', 'ignore', 'pipe'] });
};

/** Makes file systems and disks in a directory, without mounts and devices. */
export class DiskImages {
  readonly directory: string;
  #made = 0;

  constructor(directory: string) {
    this.directory = directory;
  }

  #newName(kind: string): string {
    this.#made += 1;
    return join(this.directory, `${kind}-${this.#made}`);
  }

  empty(sizeMib: number): string {
    const image = this.#newName('empty');
    const descriptor = openSync(image, 'w', 0o600);
    ftruncateSync(descriptor, sizeMib * MIB);
    closeSync(descriptor);
    return image;
  }

  /** @param type ext2, ext3 or ext4 */
  ext(files: Files, { type = 'ext4', sizeMib = 8 } = {}): string {
    const image = this.empty(sizeMib);
    run('mke2fs', ['-q', '-F', '-t', type, '-d', this.#tree(files), image]);
    return image;
  }

  xfs(files: Files): string {
    const image = this.empty(300);
    const lines = ['/', '0 0', 'd--755 0 0', ...this.#protoLines(files), '$'];
    const prototype = this.#newName('prototype');
    writeFileSync(prototype, `${lines.join('\n')}\n`);
    run('mkfs.xfs', ['-q', '-p', prototype, image]);
    return image;
  }

  /** A disk with these partitions, one after the other, 1 MiB of room before each. */
  disk(
    label: 'dos' | 'gpt',
    partitions: readonly { readonly image: string; readonly active?: boolean; readonly type?: string }[],
  ): string {
    const contents = partitions.map(({ image }) => readFileSync(image));
    let startMib = 1;
    const lines = [`label: ${label}`];
    const starts = contents.map((content, index) => {
      const start = startMib;
      const { active, type } = partitions[index]!;
      lines.push(
        [`start=${start}MiB`, `size=${content.length / MIB}MiB`, type && `type=${type}`, active && 'bootable']
          .filter(Boolean)
          .join(', '),
      );
      startMib += content.length / MIB + 1;
      return start;
    });
    const image = this.empty(startMib + 1);
    run('sfdisk', ['-q', image], `${lines.join('\n')}\n`);
    contents.forEach((content, index) => writeInto(image, content, starts[index]! * MIB));
    return image;
  }

  #tree(files: Files): string {
    const root = this.#newName('tree');
    mkdirSync(root);
    for (const [path, content] of Object.entries(files)) {
      const file = join(root, path);
      mkdirSync(dirname(file), { recursive: true });
      if (typeof content === 'string' || Buffer.isBuffer(content)) writeFileSync(file, content);
      else symlinkSync(content.link, file);
    }
    return root;
  }

  /** The form that mkfs.xfs(8) takes: a directory is its name, its items and a dollar sign. */
  #protoLines(files: Files): string[] {
    const groups = new Map<string, Record<string, Files[string]>>();
    const lines: string[] = [];
    for (const [path, content] of Object.entries(files)) {
      const [first, ...others] = path.split('/').filter(Boolean);
      if (others.length > 0) {
        groups.set(first!, { ...groups.get(first!), [others.join('/')]: content });
      } else if (typeof content === 'string' || Buffer.isBuffer(content)) {
        const file = this.#newName('file');
        writeFileSync(file, content);
        lines.push(`${first} ---644 0 0 ${file}`);
      } else {
        lines.push(`${first} l--777 0 0 ${content.link}`);
      }
    }
    for (const [name, inner] of groups) lines.push(`${name} d--755 0 0`, ...this.#protoLines(inner), '$');
    return lines;
  }
}

/** Replaces bytes of a file. */
export function writeInto(file: string, bytes: Buffer, offset: number): void {
  const descriptor = openSync(file, 'r+');
  try {
    writeSync(descriptor, bytes, 0, bytes.length, offset);
  } finally {
    closeSync(descriptor);
  }
}
