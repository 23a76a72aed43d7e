import { readFileSync } from 'node:fs';
import { AgentError } from '../errors.ts';
import type { Clock } from './clock.ts';
import { runCommand } from './command.ts';

/** One mounted file system: a line of /proc/self/mountinfo (proc(5)). */
export interface Mount {
  /** Where it is mounted. */
  readonly place: string;
  /** Type, such as `ext4`. */
  readonly type: string;
  /** What is mounted, such as a device. */
  readonly source: string;
  /** Directory of the file system that is seen there. */
  readonly directory: string;
  /** Major and minor number of its device. */
  readonly device: string;
  readonly options: readonly string[];
}

/** All mounts that this process sees, the oldest first. The kernel answers at once, whatever state the file systems are in. */
export function readMounts(): readonly Mount[] {
  return parseMounts(mountsText());
}

/** Follows the mounts of this server: they are read anew each time and parsed where they have changed. */
export function mountsFollowed(): () => readonly Mount[] {
  let text: string | undefined;
  let mounts: readonly Mount[] = [];
  return () => {
    const now = mountsText();
    if (now !== text) mounts = parseMounts(now);
    text = now;
    return mounts;
  };
}

function mountsText(): string {
  return readFileSync('/proc/self/mountinfo', 'utf8');
}

export function parseMounts(text: string): readonly Mount[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const [head = '', tail = ''] = line.split(' - ', 2);
      const [, , device = '', directory = '', place = '', options = ''] = head.split(' ');
      const [type = '', source = '', superOptions = ''] = tail.split(' ');
      return {
        place: unescaped(place),
        type,
        source: unescaped(source),
        directory: unescaped(directory),
        device,
        options: [...options.split(','), ...superOptions.split(',')],
      };
    });
}

/** The mount in which a place lies, by its name alone: the last one made of those that are nearest. */
export function mountOf(mounts: readonly Mount[], place: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const holds = place === mount.place || mount.place === '/' || place.startsWith(`${mount.place}/`);
    if (holds && mount.place.length >= (found?.place.length ?? 0)) found = mount;
  }
  return found;
}

/** Blanks and the like are written as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_whole, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

export interface MountRequest {
  /** A device, `host:/path`, or a directory. */
  readonly source: string;
  /** Type of the file system; `bind` for a directory. */
  readonly type: string;
  readonly place: string;
  readonly options: readonly string[];
}

const MOUNT_MS = 60_000;

/**
 * Mounts a file system with mount(8).
 * @throws AgentError HOST with what it said, TIMEOUT when the source does not answer
 */
export async function mount({ options, place, source, type }: MountRequest, clock: Clock): Promise<void> {
  if (type === 'bind') {
    await run(['mount', '--bind', '--', source, place], `mount ${source}`, clock);
    if (options.length === 0) return;
    // A bind mount takes its options once it is there (mount(8), "Bind mount operation").
    try {
      await run(['mount', '-o', ['remount', 'bind', ...options].join(','), '--', place], `mount ${source}`, clock);
    } catch (error) {
      await unmount(place, clock);
      throw error;
    }
    return;
  }
  const wanted = options.length === 0 ? [] : ['-o', options.join(',')];
  await run(['mount', '-t', type, ...wanted, '--', source, place], `mount ${source}`, clock);
}

/** @throws AgentError IN_USE while something there is open, HOST, TIMEOUT */
export async function unmount(place: string, clock: Clock): Promise<void> {
  await run(['umount', '--', place], `unmount ${place}`, clock);
}

/** @throws AgentError HOST with what mount(8) said */
async function run([program = '', ...args]: readonly string[], act: string, clock: Clock): Promise<void> {
  const { exitCode, stderr } = await runCommand(program, args, { timeoutMs: MOUNT_MS, clock });
  if (exitCode === 0) return;
  const said = stderr
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .slice(0, 500);
  if (said.includes('busy'))
    throw new AgentError('IN_USE', `${act}: it is in use by a process of this server; ${said}`);
  throw new AgentError('HOST', `${act}: ${said || `exit code ${exitCode}`}`);
}

const PROBE_MS = 20_000;

/**
 * Type of the file system on a block device, from its own words.
 * @throws AgentError HOST, TIMEOUT
 */
export async function fileSystemOf(device: string, clock: Clock): Promise<string | undefined> {
  const args = ['--probe', '--match-tag', 'TYPE', '--output', 'value', '--', device];
  const { exitCode, stderr, stdout } = await runCommand('blkid', args, { timeoutMs: PROBE_MS, clock });
  if (exitCode === 0 && stdout.trim() !== '') return stdout.trim();
  // blkid(8): 2 when nothing is recognized.
  if (exitCode === 0 || exitCode === 2) return undefined;
  throw new AgentError('HOST', `look at ${device}: ${stderr.trim().slice(0, 300)}`);
}
