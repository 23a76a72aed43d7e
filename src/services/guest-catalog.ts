import { AgentError } from '../errors.ts';
import { guestNameOf, type GuestPath } from '../model/guest-path.ts';
import { actsOf, guestStatuses } from '../model/guest-state.ts';
import type { Fields } from '../store/store.ts';
import type { GuestFiles } from './guest-files.ts';
import { type GuestRecord, type GuestRecords, theGuestNamed } from './guest-records.ts';
import type { Performance } from './performance.ts';

/** What each status allows, as it stands in the record of a guest. */
const ACTS_OF = new Map(guestStatuses.map(status => [status, actsOf(status).join(',')]));

/** Questions about guests. */
export class GuestCatalog {
  readonly #records: GuestRecords;
  readonly #files: GuestFiles;
  readonly #performance: Pick<Performance, 'cpuPercentOf'>;

  constructor(records: GuestRecords, files: GuestFiles, performance: Pick<Performance, 'cpuPercentOf'>) {
    this.#records = records;
    this.#files = files;
    this.#performance = performance;
  }

  /** What is stored of each guest, with what was measured last: from memory, for managers ask often. */
  rows(): readonly Fields[] {
    return this.#records.list().map(record => this.#rowOf(record));
  }

  /** The same of one guest. @throws AgentError NO_SUCH_GUEST */
  row(path: GuestPath): Fields {
    return this.#rowOf(this.#records.get(path));
  }

  #rowOf({ fields, path, status }: GuestRecord): Fields {
    const percent = this.#performance.cpuPercentOf(path);
    const row = { ...fields, acts: ACTS_OF.get(status) ?? '' };
    return percent === undefined ? row : { ...row, cpu_percent: Math.round(percent * 10) / 10 };
  }

  /** @throws AgentError NO_SUCH_GUEST, BAD_VALUE when several guests have that name */
  pathOf(name: string): GuestPath {
    return theGuestNamed(this.#records, name).path;
  }

  /**
   * TCP port of a running guest's VNC server.
   * @throws AgentError WRONG_STATE when it does not run, NOT_SUPPORTED when it has no display
   */
  vncPortOf(name: string): number {
    const record = theGuestNamed(this.#records, name);
    const port = record.fields['vnc_port'];
    if (typeof port === 'number') return port;
    if (record.status !== 'RUNNING' && record.status !== 'PAUSED') {
      throw new AgentError(
        'WRONG_STATE',
        `VNC port of ${guestNameOf(record.path)}: it is ${record.status}; it needs RUNNING or PAUSED`,
      );
    }
    throw new AgentError(
      'NOT_SUPPORTED',
      `VNC port of ${guestNameOf(record.path)}: it has no display; write vnc = 1 in its vm.cfg`,
    );
  }

  /** Whether firmware boots the guest (`hvm`) or a kernel is handed to it (`para`). */
  async kindOf(path: GuestPath): Promise<'hvm' | 'para'> {
    return (await this.#files.readConfig(path)).kind;
  }
}
