import { join } from 'node:path';
import { type GuestConfig, leavesByItself, type QuietEnd } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import type { DomainState } from '../../model/guest-state.ts';
import { type Domain, type Holdings, holdingsOf } from '../driver.ts';
import type { GuestDirectory } from '../guest-directory.ts';
import type { DomainRow } from './xl-output.ts';

/** What is written down of a guest before xl acts for it. */
export interface XenNote {
  readonly path: GuestPath;
  /** What the domain is made of now: a reset makes it again from this. */
  readonly config: GuestConfig;
  /** Xen's number for the domain, once there is one. */
  readonly domainId: number | undefined;
  /**
   * `making`: xl makes it for the first time. `replacing`: it is made again after its end. What a later agent finds half-made is
   * removed in the one case and made again in the other.
   */
  readonly phase: 'making' | 'replacing' | 'there';
  /** Whether the agent asked for the reboot that comes: it is the agent's to go on with, whatever on_reboot says. */
  readonly rebootAsked: boolean;
  /** Whether it got or lost devices since its start: what it is made of is then no longer what its plan says. */
  readonly isAltered: boolean;
  /** TCP port of its VNC server. */
  readonly vncPort: number | undefined;
  /** Domains that had its identity before it came. They are not ours; until that was looked at nothing was made. */
  readonly earlier?: readonly number[] | undefined;
  /** Drives that have never had a medium since its device model began: none can be put into them. */
  readonly sealedDrives?: readonly string[] | undefined;
  /** Whether it was on its way to another server when this was written, and not known to run on here since. */
  readonly isLeaving?: boolean | undefined;
}

/** What is to be done by the driver itself when the system of a domain has ended. */
export type OwnAct = { readonly act: 'destroy'; readonly reason: string } | { readonly act: 'restart' };

/** The domain in which the agent itself runs. */
export const OWN_DOMAIN = 0;

/** One guest of this server, as far as it is known without asking Xen. */
export class XenDomain {
  readonly place: GuestDirectory<XenNote>;
  #note: XenNote;
  #acts: Promise<unknown> = Promise.resolve();
  #going = new AbortController();
  /** How it was when it was looked at last. */
  lastState: DomainState | undefined;

  constructor(place: GuestDirectory<XenNote>, note: XenNote) {
    this.place = place;
    this.#note = note;
  }

  get note(): XenNote {
    return this.#note;
  }

  get path(): GuestPath {
    return this.#note.path;
  }

  /** The number by which xl is told of it. */
  get target(): string {
    return String(this.#note.domainId);
  }

  get holdings(): Holdings {
    return holdingsOf(this.#note);
  }

  /** The file from which xl makes it. It holds the password of the display. */
  get file(): string {
    return join(this.place.directory, 'domain.cfg');
  }

  /** An image with nothing in it. */
  get blankMedium(): string {
    return join(this.place.directory, 'blank-medium');
  }

  /** Written down before it is acted on. */
  change(changes: Partial<XenNote>): void {
    this.#note = { ...this.#note, ...changes };
    this.place.write(this.#note);
  }

  /** One act after the other: what Xen is told for one domain never crosses. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#acts.then(work, work);
    this.#acts = turn.catch(() => undefined);
    return turn;
  }

  /** Ends what lasts long, and what is to begin before `goOn`: the domain is about to go. */
  giveUp(): void {
    this.#going.abort();
  }

  goOn(): void {
    if (this.#going.signal.aborted) this.#going = new AbortController();
  }

  /** A signal of somebody's, and that of the domain's own end. */
  untilGivenUp(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#going.signal]) : this.#going.signal;
  }

  /**
   * The domains that are this guest's. One that is being made has no number here yet, and is known by its identity alone; once its
   * number is known no other counts, whatever its identity is.
   */
  ownRows(rows: readonly DomainRow[]): readonly DomainRow[] {
    const { config, domainId, earlier = [], phase } = this.#note;
    return rows.filter(
      ({ id, isDying, uuid }) =>
        uuid === config.uuid &&
        id !== OWN_DOMAIN &&
        !isDying &&
        (phase === 'there' ? id === domainId : !earlier.includes(id)),
    );
  }

  /** Numbers are not given anew before 32,000 domains have been made; the identity makes it certain. */
  rowIn(rows: readonly DomainRow[]): DomainRow | undefined {
    const { config, domainId } = this.#note;
    return rows.find(row => row.id === domainId && row.uuid === config.uuid && !row.isDying);
  }

  facts(row: DomainRow | undefined): Domain {
    const { config, path, phase, vncPort } = this.#note;
    const state = phase !== 'there' ? 'starting' : this.hasLeft(row) ? 'unreachable' : stateOf(row);
    return {
      path,
      state,
      id: row?.id,
      vncPort: state === 'absent' ? undefined : vncPort,
      ends: state === 'absent' ? undefined : config.ends,
      endedBy: state === 'halted' ? quietEndOf(row) : undefined,
      problem: undefined,
    };
  }

  /**
   * Whether it stands still since an agent was killed in the last step of its move: the copy on the other server may run, so that
   * this one must not.
   */
  hasLeft(row: DomainRow | undefined): boolean {
    return this.#note.isLeaving === true && row?.shutdown === 'suspend';
  }

  /** What is known of it where Xen does not answer. */
  unreachable(): Domain {
    return { ...this.facts(undefined), state: 'unreachable', ends: this.#note.config.ends };
  }

  /**
   * What follows from the end of its system without anybody being asked: as little as QEMU does, so that guests fare alike on
   * both. Every other end leaves the domain in place for the agent.
   */
  ownAct(row: DomainRow | undefined): OwnAct | undefined {
    const { config, phase, rebootAsked } = this.#note;
    if (phase !== 'there' || stateOf(row) !== 'halted') return undefined;
    const how = quietEndOf(row);
    if (how === 'reboot') {
      if (rebootAsked) return undefined;
      if (config.ends.reboot === 'restart') return { act: 'restart' };
      if (!leavesByItself(config.ends)) return undefined;
      return { act: 'destroy', reason: 'its system rebooted, and on_reboot is destroy' };
    }
    if (rebootAsked || !leavesByItself(config.ends)) return undefined;
    return { act: 'destroy', reason: 'its system powered off' };
  }
}

export function stateOf(row: DomainRow | undefined): DomainState {
  if (!row || row.isDying) return 'absent';
  switch (row.shutdown) {
    case undefined:
      return row.isPaused ? 'paused' : 'running';
    case 'crash':
    case 'watchdog':
      return 'crashed';
    case 'suspend':
      // While its state is taken.
      return 'paused';
    default:
      return 'halted';
  }
}

/** A soft reset is how a system that loads another kernel (kexec) asks to be restarted. */
function quietEndOf(row: DomainRow | undefined): QuietEnd {
  return row?.shutdown === 'reboot' || row?.shutdown === 'soft-reset' ? 'reboot' : 'poweroff';
}
