import type { EndAction } from './guest-state.ts';

/** A guest's configuration as vm.cfg states it, whatever the hypervisor. Paths are as given, not yet looked up on disk. */
export interface GuestConfig {
  readonly name: string;
  /** RFC 9562 text form, lower case. */
  readonly uuid: string;
  /** `para`: a kernel is handed over by the host. `hvm`: firmware boots a disk. */
  readonly kind: 'para' | 'hvm';
  /** Memory at the start; `maxMemoryMib` is what it may grow to while it runs, never less. */
  readonly memoryMib: number;
  readonly maxMemoryMib: number;
  /** Processors at the start; `maxVcpus` is what it may have while it runs, never fewer. */
  readonly vcpus: number;
  readonly maxVcpus: number;
  /** Numbers of host processors: none when it may run on all, one set for all its processors, or one for each. */
  readonly pinning: readonly (readonly number[])[];
  readonly share: ProcessorShare;
  readonly boot: Boot;
  readonly disks: readonly Disk[];
  readonly networkInterfaces: readonly NetworkInterface[];
  readonly display: Display | undefined;
  readonly video: Video | undefined;
  /** In the order in which the guest sees them; the first is its console. */
  readonly serialPorts: readonly SerialPort[];
  readonly machine: MachineFeatures;
  readonly clock: GuestClock;
  /** Whether there is a USB controller though no device is on it. */
  readonly usb: boolean;
  readonly pointers: readonly Pointer[];
  /** Keyboard layout of the VNC server, such as `en-us`. */
  readonly keymap: string | undefined;
  /** Host devices that are handed through, as `0000:01:00.0`. */
  readonly pciDevices: readonly string[];
  readonly xen: XenOptions;
  readonly ends: EndPolicy;
  /** Whether it starts with the server (xm.cfg, on_xend_start). */
  readonly hostBoot: boolean;
  /** What becomes of it when the server shuts down (xm.cfg, on_xend_stop); undefined where its file does not say. */
  readonly hostShutdown: HostShutdownAction | undefined;
}

/** What only Xen knows; other hypervisors pass it over. */
export interface XenOptions {
  /** Whether a paravirtual guest runs with the processor's help (xl.cfg(5), type = "pvh"), and not in the old way. */
  readonly isPvh: boolean;
  /** Keys of xl.cfg(5) that are handed on as they are, each from a list of those that can do no harm. */
  readonly keys: Readonly<Record<string, string | readonly string[]>>;
}

export const hostShutdownActions = ['ignore', 'shutdown', 'suspend'] as const;
export type HostShutdownAction = (typeof hostShutdownActions)[number];

export type Pointer = 'tablet' | 'mouse';

/** How processors are shared out where guests want more than there are (xl.cfg(5): cpu_weight, cpu_cap). */
export interface ProcessorShare {
  /** 1 to 65535, relative to others; 256 is usual. */
  readonly weight: number | undefined;
  /** Percent of one host processor that it can have at most; 400 are four. */
  readonly capPercent: number | undefined;
}

/** What of a PC the guest finds (xl.cfg(5)). */
export interface MachineFeatures {
  readonly acpi: boolean;
  readonly apic: boolean;
  readonly pae: boolean;
  readonly hpet: boolean;
  /** Interfaces that Windows knows from Hyper-V. */
  readonly viridian: boolean;
  /** What becomes of timer ticks that were missed: 0 and 1 deliver them late, 2 and 3 drop them. */
  readonly timerMode: 0 | 1 | 2 | 3 | undefined;
}

export interface GuestClock {
  /** Whether the clock of the machine starts in local time, as Windows expects, and not in UTC. */
  readonly localTime: boolean;
  readonly offsetSeconds: number;
}

export interface Video {
  readonly card: 'cirrus' | 'standard';
  /** A power of two; undefined is the card's own default. */
  readonly memoryMib: number | undefined;
}

/** `console`: on a socket, with a history. `none`: the port is there and leads nowhere. */
export type SerialPort = 'console' | 'none';

/**
 * What becomes of the domain when the system inside ends (xl.cfg(5): on_poweroff, on_reboot, on_crash). What it comes to is
 * told by `endOf`.
 */
export interface EndPolicy {
  readonly poweroff: EndAction;
  readonly reboot: EndAction;
  readonly crash: EndAction;
  /** Whether the memory of a crashed guest is written to a file first. */
  readonly dumpsCore: boolean;
}

/** How a system ended that did not crash. */
export type QuietEnd = 'poweroff' | 'reboot';

/** What is to be done at one end. */
export interface End {
  readonly action: 'destroy' | 'restart' | 'preserve';
  /** Whether the memory of the domain is written to a file first. */
  readonly dumpsCore: boolean;
}

/**
 * What is to be done when a system ended in that way. A domain of old cannot stay beside the new one where both would hold
 * the same images: of `rename-restart` its memory is what is kept.
 */
export function endOf(ends: EndPolicy, how: QuietEnd | 'crash'): End {
  const action = ends[how];
  if (action === 'rename-restart') return { action: 'restart', dumpsCore: true };
  return { action, dumpsCore: how === 'crash' && ends.dumpsCore };
}

/** From what can be taken back to what cannot: a guest that is kept can still be ended, one that runs has changed. */
const SAFEST_FIRST: readonly EndAction[] = ['preserve', 'destroy', 'rename-restart', 'restart'];

/** Of the two ends the one whose action is the safer: what is taken to have happened where nobody saw which it was. */
export function saferEnd(ends: EndPolicy): QuietEnd {
  const rank = (how: QuietEnd): number => SAFEST_FIRST.indexOf(ends[how]);
  return rank('reboot') < rank('poweroff') ? 'reboot' : 'poweroff';
}

/**
 * Whether a domain goes by itself when its system powers off: only where that is right whichever way the system ended, so that an
 * end that nobody saw is never taken for another.
 */
export function leavesByItself({ poweroff, reboot }: EndPolicy): boolean {
  return poweroff === 'destroy' && (reboot === 'restart' || reboot === 'destroy');
}

export type Boot =
  | {
      readonly from: 'kernel';
      readonly kernel: string;
      readonly ramdisk: string | undefined;
      readonly commandLine: string;
    }
  /** The kernel lies in the guest's first disk, where its own boot loader would look for it. */
  | {
      readonly from: 'bootloader';
      /** Title or number of the menu's entry; undefined takes the menu's default. */
      readonly entry: string | undefined;
      /** Put after the arguments that the menu gives. */
      readonly commandLine: string;
    }
  /** Letters of the guide: `c` disk, `d` CD-ROM, `n` network, in the order of trial. */
  | { readonly from: 'firmware'; readonly order: string };

export interface Disk {
  /** Absolute path of the image or device; undefined for a CD-ROM drive without a medium. */
  readonly source: string | undefined;
  readonly sourceKind: 'file' | 'device';
  readonly format: 'raw' | 'qcow2';
  /** Device name inside the guest, such as `hda` or `xvda`. */
  readonly target: string;
  readonly isCdrom: boolean;
  /** `r` read only, `w` one writer, `w!` several writers. */
  readonly mode: DiskMode;
}

export const diskModes = ['r', 'w', 'w!'] as const;
export type DiskMode = (typeof diskModes)[number];

/** As Xen's block script: readers among themselves, and those who all said w! (xl-disk-configuration(5)). */
export function canShare(mode: DiskMode, other: DiskMode): boolean {
  return mode === other && mode !== 'w';
}

export interface NetworkInterface {
  /** Lower case, with colons. */
  readonly mac: string;
  /** Host bridge; undefined means the user-mode network. */
  readonly bridge: string | undefined;
  /** `emulated`: a network card that any guest knows. `paravirtual`: the hypervisor's own. */
  readonly kind: 'emulated' | 'paravirtual';
  readonly model: string | undefined;
  /** Name of the interface on the host; undefined leaves it to the agent. */
  readonly hostName: string | undefined;
  /** Most bits per second that the guest sends. */
  readonly rateLimit: number | undefined;
}

export interface Display {
  readonly listen: string;
  /** Display number (TCP port less 5900); undefined takes the first that is free. */
  readonly number: number | undefined;
  /** undefined: no password is asked. Empty: nobody may log in. */
  readonly password: string | undefined;
}
