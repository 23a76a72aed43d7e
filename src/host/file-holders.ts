import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process of this server that has a file open. */
export interface FileHolder {
  readonly file: string;
  readonly processId: number;
  /** Name of its program, as the process table has it. */
  readonly command: string;
}

/** Looks through the process table (proc(5)), which takes a while: for explaining a failure. */
export async function findHolders(files: readonly string[]): Promise<readonly FileHolder[]> {
  const wanted = new Set(files);
  const holders: FileHolder[] = [];
  for (const id of (await readdir('/proc')).filter(name => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${id}/fd`).catch(() => []);
    const open = await Promise.all(descriptors.map(name => readlink(`/proc/${id}/fd/${name}`).catch(() => '')));
    for (const file of new Set(open.filter(target => wanted.has(target)))) {
      const command = await readFile(`/proc/${id}/comm`, 'utf8').catch(() => '');
      holders.push({ file, processId: Number(id), command: command.trim() });
    }
  }
  return holders;
}
