import { closeSync, openSync, readdirSync, readlinkSync, readSync, statSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import type { ForeignDomain } from '../driver.ts';

const QEMU_PROGRAM = /^(?:qemu-system-[\w-]+|qemu-kvm|kvm)$/;
/** What is read of a command line; what QEMU is and is called stands in its beginning. */
const MOST_COMMAND_LINE_BYTES = 256 * 1024;
const MOST_NAME_LENGTH = 64;

/**
 * QEMUs in the process table whose monitor is not below our runtime directory. Everything is taken from outside: no socket is
 * opened and no signal sent.
 * @param processTable for tests
 */
export function findForeignQemus(runtimeDirectory: string, processTable = '/proc'): readonly ForeignDomain[] {
  const self = ownerOf(`${processTable}/self`);
  return readdirSync(processTable).flatMap(entry => {
    const directory = `${processTable}/${entry}`;
    const args = /^\d+$/.test(entry) ? readArguments(directory) : [];
    if (!QEMU_PROGRAM.test(programOf(directory, args)) || isOurs(args, runtimeDirectory)) return [];
    const owner = ownerOf(directory);
    // It ended while it was looked at.
    if (owner === undefined) return [];
    const isReachable = self === 0 || self === owner;
    return [
      { id: Number(entry), name: nameOf(args), kind: 'unmanaged' as const, ...controlOf(args, owner, isReachable) },
    ];
  });
}

/** Arguments end with NUL, so that text inside of one cannot pass for two. */
function readArguments(directory: string): readonly string[] {
  try {
    const file = openSync(`${directory}/cmdline`, 'r');
    try {
      const buffer = Buffer.alloc(MOST_COMMAND_LINE_BYTES);
      let length = 0;
      for (let read = -1; read !== 0 && length < buffer.length; length += read) {
        read = readSync(file, buffer, length, buffer.length - length, null);
      }
      return buffer.toString('utf8', 0, length).split('\0');
    } finally {
      closeSync(file);
    }
  } catch {
    return [];
  }
}

/** By the file that it runs; what a process calls itself counts only where that may not be seen. */
function programOf(directory: string, args: readonly string[]): string {
  // The file was replaced by an update while the program runs (proc(5)).
  const deleted = / \(deleted\)$/;
  try {
    return basename(readlinkSync(`${directory}/exe`).replace(deleted, ''));
  } catch {
    return basename(args[0] ?? '');
  }
}

function ownerOf(directory: string): number | undefined {
  return statSync(directory, { throwIfNoEntry: false })?.uid;
}

function isOurs(args: readonly string[], runtimeDirectory: string): boolean {
  return args.some(
    (arg, index) => args[index - 1] === '-chardev' && arg.startsWith(`socket,id=monitor,path=${runtimeDirectory}/`),
  );
}

/** Values of an option, each as its properties (qemu-system(1)): `first` is the one without a key. */
function optionsOf(args: readonly string[], name: string, first: string): ReadonlyMap<string, string>[] {
  return args.flatMap((arg, index) => {
    const before = args[index - 1];
    if (before !== `-${name}` && before !== `--${name}`) return [];
    const items = (arg.match(/(?:[^,]|,,)+/g) ?? []).map(item => item.replaceAll(',,', ','));
    return [
      new Map(
        items.map((item, at): [string, string] => {
          const [, key, value] = /^([\w-]+)=(.*)$/s.exec(item) ?? [];
          if (key !== undefined && value !== undefined) return [key, value];
          return at === 0 ? [first, item] : [item, 'on'];
        }),
      ),
    ];
  });
}

function nameOf(args: readonly string[]): string {
  return clean(optionsOf(args, 'name', 'guest').at(-1)?.get('guest') ?? '').slice(0, MOST_NAME_LENGTH);
}

/** Whoever started it chose the text. */
function clean(text: string): string {
  return text.replace(/[^\p{L}\p{N} _.+:/-]/gu, '?');
}

function controlOf(
  args: readonly string[],
  owner: number,
  isReachable: boolean,
): Pick<ForeignDomain, 'controllable' | 'reason'> {
  const no = (reason: string): Pick<ForeignDomain, 'controllable' | 'reason'> => ({ controllable: false, reason });
  if (!isReachable) return no(`it belongs to the user with the number ${owner}`);
  const socket = monitorSocketOf(args);
  if (socket === undefined) return no('it has no monitor on a socket with a name');
  if (!isAbsolute(socket) || statSync(socket, { throwIfNoEntry: false })?.isSocket() !== true)
    return no('the socket of its monitor is not to be found');
  return { controllable: true, reason: `its monitor is at ${clean(socket).slice(0, 200)}` };
}

/** Path of a QMP monitor, given as -qmp unix:PATH or as -mon with a -chardev. Programs that hand over an open socket name none. */
function monitorSocketOf(args: readonly string[]): string | undefined {
  const plain = ['qmp', 'qmp-pretty'].flatMap(name => optionsOf(args, name, 'address'));
  const address = plain.map(option => option.get('address')).find(value => value?.startsWith('unix:') === true);
  if (address !== undefined) return address.slice('unix:'.length);
  const control = optionsOf(args, 'mon', 'chardev').find(option => option.get('mode') === 'control');
  const device = optionsOf(args, 'chardev', 'backend').find(
    option => option.get('backend') === 'socket' && option.get('id') === control?.get('chardev'),
  );
  return control && device?.get('path');
}
