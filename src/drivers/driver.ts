import type { Duplex, Readable, Writable } from 'node:stream';
import type { Log } from '../host/log.ts';
import type { Disk, DiskMode, EndPolicy, GuestConfig, NetworkInterface, QuietEnd } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { DomainState } from '../model/guest-state.ts';

/** Whether a hypervisor can be used on this server. */
export type Probe =
  | { readonly usable: true; readonly description: string; readonly version: string; readonly accelerator: string }
  | { readonly usable: false; readonly reason: string; readonly remedy: string };

/** What the hypervisor says of one domain. */
export interface Domain {
  readonly path: GuestPath;
  readonly state: DomainState;
  /** By what this server knows it: its process, or Xen's number for it. It may change when the domain is reset. */
  readonly id: number | undefined;
  /** TCP port of its VNC server, where it has one. */
  readonly vncPort: number | undefined;
  /** What it was started with: the guest file may have been edited since. */
  readonly ends: EndPolicy | undefined;
  /**
   * How its system ended, while it is halted. Where that happened unseen, and the two ends ask for different things, it is
   * the one whose action is the safer.
   */
  readonly endedBy: QuietEnd | undefined;
  /** Why it is stuck. */
  readonly problem: DomainProblem | undefined;
}

/** A disk that failed, by its name in the guest file; `reason` is a sentence without an end. */
export interface DomainProblem {
  readonly kind: 'disk';
  readonly target: string;
  readonly reason: string;
}

/** The domain of a guest that has none. */
export function absentDomain(path: GuestPath): Domain {
  return {
    path,
    state: 'absent',
    id: undefined,
    vncPort: undefined,
    ends: undefined,
    endedBy: undefined,
    problem: undefined,
  };
}

/**
 * What a domain has used since it was started, from the guest's point of view. Counters begin anew with each start of its
 * process, and the bytes of a disk or card leave with it: they may fall.
 */
export interface DomainStatistics {
  readonly path: GuestPath;
  readonly state: DomainState;
  readonly id: number | undefined;
  readonly vcpus: number;
  /** Of all its processors together, and of what the hypervisor does for it. */
  readonly processorTimeMs: number;
  /** What the guest has now. */
  readonly memoryMib: number;
  /** What it may grow to while it runs. */
  readonly maxMemoryMib: number;
  readonly blocks: {
    readonly readBytes: number;
    readonly writtenBytes: number;
    readonly reads: number;
    readonly writes: number;
  };
  readonly network: { readonly receivedBytes: number; readonly sentBytes: number };
  /**
   * For how many milliseconds the hypervisor itself was not asked: so old are state, vcpus, memory and blocks. The other
   * figures are of now.
   */
  readonly answerAgeMs: number;
}

/** What there is for guests, where the hypervisor and not this server's own system has it. */
export interface Capacity {
  readonly processors: number;
  readonly totalMemoryMib: number;
  readonly freeMemoryMib: number;
}

/** A domain on this server that the driver did not start. It is looked at from outside, and never touched. */
export interface ForeignDomain {
  /** Its process, or Xen's number for it. */
  readonly id: number;
  /** As its starter called it, without what does not belong into a name; empty where it has none. */
  readonly name: string;
  readonly kind: 'unmanaged';
  /** Whether this server's agent could control it, by what its command line says. */
  readonly controllable: boolean;
  /** A sentence without an end. */
  readonly reason: string;
}

export interface SaveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
}

export interface MigrationOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((sentBytes: number) => void) | undefined;
  /**
   * Asks the other side, by another way than the stream, whether its copy runs. Asked when the stream broke in the last step, again
   * and again where it fails. Must not answer before `receive` has settled there, for until then neither answer holds.
   */
  readonly hasArrived: () => Promise<boolean>;
}

/** Moves domains while they run, over a stream between two agents. At every moment at most one copy runs, and at its end exactly one. */
export interface LiveMigration {
  /** Why a domain of that configuration cannot be moved while it runs; a sentence without an end. */
  whyNot(config: GuestConfig): string | undefined;
  /**
   * Returns once the domain runs on the other side and is gone here.
   * @throws AgentError NOT_SUPPORTED, HYPERVISOR, CANCELLED; the domain runs on here then
   */
  send(path: GuestPath, stream: Duplex, context: ActContext, options: MigrationOptions): Promise<void>;
  /**
   * Returns once the domain runs here.
   * @throws AgentError HYPERVISOR, CANCELLED; nothing is left here then
   */
  receive(plan: StartPlan, stream: Duplex, context: ActContext, signal?: AbortSignal): Promise<Domain>;
}

/** Who is asked to power off: an agent that runs inside the system, or the system by the button of its machine. */
export type ShutdownWay = 'agent' | 'acpi';

/** What a domain holds on to while it is there. */
export interface Holdings {
  readonly path: GuestPath;
  readonly uuid: string;
  readonly macs: readonly string[];
  /** Images and devices as they lie on this server's disk. */
  readonly disks: readonly { readonly target: string; readonly source: string; readonly mode: DiskMode }[];
}

/** What a domain with that configuration holds on to. */
export function holdingsOf({ config, path }: StartPlan): Holdings {
  return {
    path,
    uuid: config.uuid,
    macs: config.networkInterfaces.map(card => card.mac),
    disks: config.disks.flatMap(({ mode, source, target }) => (source === undefined ? [] : [{ target, source, mode }])),
  };
}

/** All that a driver needs to start a guest. Every file was looked up and found allowed by the service above. */
export interface StartPlan {
  readonly path: GuestPath;
  /** Paths in it are paths on this server's disk. */
  readonly config: GuestConfig;
  /** Whether kernel and ramdisk are removed once it runs. */
  readonly bootIsTemporary?: boolean;
}

/** Who asks: acts log with the id of the call that caused them. */
export interface ActContext {
  readonly log: Log;
}

export type DomainEvent =
  | { readonly path: GuestPath; readonly kind: 'changed' }
  /** Its system restarted of its own accord. */
  | { readonly path: GuestPath; readonly kind: 'rebooted' }
  /** A disk failed and the domain was stopped. */
  | { readonly path: GuestPath; readonly kind: 'disk-error'; readonly target: string; readonly reason: string }
  | { readonly path: GuestPath; readonly kind: 'ended'; readonly reason: string };

/**
 * A hypervisor: small verbs over facts. No policy, no records, no RPC; whether an act is allowed is decided above it.
 * Every act fails with AgentError HYPERVISOR, NOT_SUPPORTED, NO_RESOURCES, TIMEOUT or HOST, and returns when the
 * hypervisor has done it, not when it has heard of it.
 */
export interface Driver {
  readonly name: 'qemu' | 'xen' | 'simulated';
  /** Undefined where running domains cannot be moved. */
  readonly migration: LiveMigration | undefined;

  /** Never throws. */
  probe(): Promise<Probe>;

  /**
   * Undefined where guests have their memory and processors of this server's own system.
   * @throws AgentError HYPERVISOR, TIMEOUT
   */
  capacity(): Promise<Capacity | undefined>;

  /** Finds the domains of this server again, with no help from the database. To be called once before any act. */
  adopt(context: ActContext): Promise<readonly Domain[]>;

  /** The domains there are now. */
  list(): Promise<readonly Domain[]>;

  /** Asks the hypervisor, never our memory of an earlier answer. State `absent` when there is no such domain. */
  inspect(path: GuestPath): Promise<Domain>;

  /**
   * What all domains of this server use, in one go. Never throws, and never waits long for one that does not answer or is
   * ending: that one is told of with its last figures, or not at all.
   */
  statistics(): Promise<readonly DomainStatistics[]>;
  /** Domains of this server's hypervisor that this driver did not start, whoever did. Nobody is asked. */
  foreign(): Promise<readonly ForeignDomain[]>;

  /** What the domains of this server hold on to, from what was written down when they got it; nobody is asked. */
  holdings(): readonly Holdings[];

  /** Checks what can be checked of a plan without acting on it. */
  check(plan: StartPlan): void;

  /** Starts a domain and returns once the hypervisor says that it runs. Leaves nothing behind when it fails. */
  start(plan: StartPlan, context: ActContext): Promise<Domain>;

  /**
   * Asks the system inside to power off, and returns once it was asked.
   * @throws AgentError NOT_SUPPORTED when no agent inside answers within a second
   */
  requestShutdown(path: GuestPath, by: ShutdownWay, context: ActContext): Promise<void>;

  /** Asks the system inside to reboot and returns at once. */
  requestReboot(path: GuestPath, context: ActContext): Promise<void>;

  /** Ends the domain now, as pulling the plug does, and returns once it is gone. */
  destroy(path: GuestPath, context: ActContext): Promise<void>;

  /** Restarts the domain's machine now, as the reset button does; a paused, halted or crashed domain runs afterwards. */
  reset(path: GuestPath, context: ActContext): Promise<void>;

  /** Sends the system inside a non-maskable interrupt, at which it may crash for its dump, and returns at once. */
  crash(path: GuestPath, context: ActContext): Promise<void>;

  pause(path: GuestPath, context: ActContext): Promise<void>;
  /** Lets a paused domain run on; a stuck one tries again what its disk failed to do, and may be stuck at once. */
  unpause(path: GuestPath, context: ActContext): Promise<void>;

  /** Gives a running domain one more disk. Its source is a path on this server's disk. */
  attachDisk(path: GuestPath, disk: Disk, context: ActContext): Promise<void>;
  /** Takes a disk away once the system inside has let go of it. */
  detachDisk(path: GuestPath, target: string, context: ActContext): Promise<void>;
  /** Puts another medium into a CD-ROM drive, or none where the source is undefined, as its own button does. */
  changeMedium(path: GuestPath, drive: Disk, context: ActContext): Promise<void>;
  attachNetworkInterface(path: GuestPath, card: NetworkInterface, context: ActContext): Promise<void>;
  detachNetworkInterface(path: GuestPath, mac: string, context: ActContext): Promise<void>;
  /** Changes the memory of a running domain, and returns once it has that much. */
  setMemory(path: GuestPath, memoryMib: number, context: ActContext): Promise<void>;
  /** Changes how many processors a running domain has; the system inside decides when it uses them. */
  setVcpus(path: GuestPath, count: number, context: ActContext): Promise<void>;
  /** Changes the password of the display: empty lets nobody in. */
  setVncPassword(path: GuestPath, password: string, context: ActContext): Promise<void>;
  /** Writes the memory of a domain to a new file, and returns once it is whole; a signal ends the waiting. */
  dumpCore(path: GuestPath, file: string, context: ActContext, signal?: AbortSignal): Promise<void>;

  /**
   * Halts a domain and writes its memory and its devices to the stream, which it ends. The domain stays halted, and its disks
   * are at rest, until it is destroyed or unpaused. Where it fails, or the signal gives it up, the domain runs on if it ran before.
   * @throws AgentError NOT_SUPPORTED when it could not be brought back, CANCELLED, HYPERVISOR, and what the stream throws
   */
  saveState(path: GuestPath, sink: Writable, context: ActContext, options?: SaveOptions): Promise<void>;
  /**
   * Like start, with the state that an earlier domain of the same plan wrote. The domain is paused afterwards: it has not run.
   * @throws AgentError CANCELLED, HYPERVISOR, and what the stream throws; nothing is left behind then
   */
  restoreState(plan: StartPlan, source: Readable, context: ActContext, signal?: AbortSignal): Promise<Domain>;

  /**
   * Connects to the console of a domain, its first serial port that leads anywhere. The port has one client at a time; what
   * is printed while it has none is lost. The stream closes when the domain ends.
   * @throws AgentError HYPERVISOR when there is no domain, NOT_SUPPORTED when it has no serial port, HOST when its port
   * cannot be reached now
   */
  openSerial(path: GuestPath): Promise<Duplex>;

  /** What the hypervisor said of its own accord: text for people, line by line. */
  messages(): Promise<string>;

  /** Events tell that something changed; what is true then is asked with `inspect`. */
  onEvent(listener: (event: DomainEvent) => void): void;

  /** Lets go of the domains, which live on. */
  close(): Promise<void>;
}
