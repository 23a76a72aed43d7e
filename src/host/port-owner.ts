import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const LISTENING = '0A';

/**
 * The program that listens on a TCP port of this server, as `name (process 123)`, where this user may know it.
 * Source of the format: proc(5), /proc/net/tcp.
 */
export function findPortOwner(port: number): string | undefined {
  const inodes = new Set(['tcp', 'tcp6'].flatMap(table => listeningInodes(table, port)));
  if (inodes.size === 0) return undefined;
  for (const id of readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
    if (socketsOf(id).some(inode => inodes.has(inode))) return `${nameOf(id)} (process ${id})`;
  }
  return undefined;
}

function listeningInodes(table: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readOr(`/proc/net/${table}`)
    .split('\n')
    .slice(1)
    .map(line => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(wanted) === true && state === LISTENING)
    .map(columns => columns[9] ?? '');
}

function socketsOf(id: string): string[] {
  try {
    return readdirSync(`/proc/${id}/fd`).flatMap(descriptor => {
      const target = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${id}/fd/${descriptor}`));
      return target ? [target[1]!] : [];
    });
  } catch {
    // The process has ended, or belongs to somebody else.
    return [];
  }
}

function nameOf(id: string): string {
  return readOr(`/proc/${id}/comm`).trim();
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
