import type { Driver } from '../drivers/driver.ts';
import { AgentError } from '../errors.ts';
import type { GuestConfig } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import { type CheckSubject, checkGuest, type Finding, findFix, type Neighbour } from '../vmcfg/checks.ts';
import type { GuestReader } from '../vmcfg/guest-reader.ts';
import type { Caller } from './caller.ts';
import type { CheckHost } from './check-host.ts';
import type { GuestDisks } from './guest-disks.ts';
import type { GuestEditing } from './guest-editing.ts';
import type { GuestFiles } from './guest-files.ts';
import type { GuestRecords } from './guest-records.ts';

export interface GuestChecksParts {
  readonly driver: Driver;
  readonly host: CheckHost;
  readonly records: GuestRecords;
  readonly files: GuestFiles;
  readonly disks: GuestDisks;
  readonly editing: GuestEditing;
  readonly reader: GuestReader;
  /** Directories outside the repositories from which kernels and ramdisks are taken, as given. */
  readonly kernelDirectories: readonly string[];
}

/** Finds what in a guest file will keep the guest from running, or will surprise its owner. */
export class GuestChecks {
  readonly #parts: GuestChecksParts;

  constructor(parts: GuestChecksParts) {
    this.#parts = parts;
  }

  /** @throws AgentError NO_SUCH_GUEST; a file that cannot be read is a finding */
  async check(path: GuestPath): Promise<readonly Finding[]> {
    const { bytes } = await this.#parts.files.read(path);
    try {
      return checkGuest(await this.#subject(path, bytes, await this.#neighbours(path)));
    } catch (error) {
      if (error instanceof AgentError && error.code === 'BAD_CONFIG') return [unreadable(error)];
      throw error;
    }
  }

  /**
   * Makes the safe changes that findings call for, and checks again.
   * @returns the findings that are left
   */
  async fix(caller: Caller, path: GuestPath): Promise<readonly Finding[]> {
    const neighbours = await this.#neighbours(path);
    const tried = new Set<string>();
    for (;;) {
      const { bytes, digest } = await this.#parts.files.read(path);
      const subject = await this.#subject(path, bytes, neighbours).catch((error: unknown) => {
        if (error instanceof AgentError && error.code === 'BAD_CONFIG') return undefined;
        throw error;
      });
      const fix = subject && findFix(subject, tried);
      if (!fix) break;
      tried.add(fix.name);
      await this.#parts.editing.edit(caller, path, { what: 'fix', change: fix.change, onlyFile: true, digest });
    }
    return this.check(path);
  }

  async #subject(path: GuestPath, bytes: Uint8Array, neighbours: readonly Neighbour[]): Promise<CheckSubject> {
    const { host, reader } = this.#parts;
    const file = reader.readFile(bytes, path);
    const config = reader.configOf(file, path);
    return {
      path,
      file,
      config,
      host: host.describe(path, config),
      unusable: await this.#unusable(path, config),
      neighbours,
    };
  }

  async #unusable(path: GuestPath, { boot, disks }: GuestConfig): Promise<CheckSubject['unusable']> {
    const { disks: known, files, kernelDirectories } = this.#parts;
    const wanted: (readonly [key: string, find: () => Promise<unknown>])[] = disks.map(disk => [
      'disk',
      () => known.resolve('check', path, disk),
    ]);
    if (boot.from === 'kernel') {
      const { kernel, ramdisk } = boot;
      wanted.push(['kernel', () => files.findFile('check', path, 'kernel', kernel, kernelDirectories)]);
      if (ramdisk !== undefined)
        wanted.push(['ramdisk', () => files.findFile('check', path, 'ramdisk', ramdisk, kernelDirectories)]);
    }
    const reasons = await Promise.all(
      wanted.map(async ([key, find]) => ({ key, reason: await find().then(() => undefined, sentenceOf(path)) })),
    );
    return reasons.flatMap(({ key, reason }) => (reason === undefined ? [] : [{ key, reason }]));
  }

  /** The other guests: from their files, for those that do not run may be started next. */
  async #neighbours(path: GuestPath): Promise<readonly Neighbour[]> {
    const { driver, files, records } = this.#parts;
    const running = new Set(driver.holdings().map(held => held.path));
    const others = records.list().filter(record => record.path !== path);
    const neighbours = await Promise.all(
      others.map(async (record): Promise<Neighbour | undefined> => {
        const config = await files.readConfig(record.path).catch(() => undefined);
        return (
          config && {
            path: record.path,
            isRunning: running.has(record.path),
            uuid: config.uuid,
            macs: config.networkInterfaces.map(card => card.mac),
            disks: config.disks.flatMap(({ mode, source }) => (source === undefined ? [] : [{ source, mode }])),
          }
        );
      }),
    );
    return neighbours.filter(neighbour => neighbour !== undefined);
  }
}

/** The reason of a failure without `check PATH: ` before it. */
function sentenceOf(path: GuestPath): (error: unknown) => string {
  return error => {
    if (!(error instanceof AgentError)) throw error;
    return error.message.replace(`check ${path}: `, '');
  };
}

function unreadable(error: AgentError): Finding {
  const [, line] = /line (\d+), column/.exec(error.message) ?? [];
  return {
    code: 'UNREADABLE',
    severity: 'error',
    key: '',
    line: line === undefined ? undefined : Number(line),
    message: error.message,
    mend: line === undefined ? error.message.slice(error.message.lastIndexOf('; ') + 2) : 'mend that line',
    isFixable: false,
  };
}
