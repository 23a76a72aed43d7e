import type { EndAction } from './guest-state.ts';

/** A guest's configuration as vm.cfg states it, whatever the hypervisor. Paths are as given, not yet looked up on disk. */
export interface GuestConfig {
  readonly name: string;
  /** RFC 4122 text form. */
  readonly uuid: string;
  /** `para`: a kernel is handed over by the host. `hvm`: firmware boots a disk. */
  readonly kind: 'para' | 'hvm';
  readonly memoryMib: number;
  readonly vcpus: number;
  readonly boot: Boot;
  readonly disks: readonly Disk[];
  readonly networkInterfaces: readonly NetworkInterface[];
  readonly display: Display | undefined;
  /** Whether the first serial port is there. */
  readonly serial: boolean;
  readonly acpi: boolean;
  readonly localTime: boolean;
  readonly pointer: 'tablet' | 'mouse' | undefined;
  /** Keyboard layout of the VNC server, such as `en-us`. */
  readonly keymap: string | undefined;
  readonly ends: EndPolicy;
}

/** What becomes of the domain when the system inside ends (xl.cfg(5): on_poweroff, on_reboot, on_crash). */
export interface EndPolicy {
  readonly poweroff: EndAction;
  readonly reboot: EndAction;
  readonly crash: EndAction;
}

export type Boot =
  | {
      readonly from: 'kernel';
      readonly kernel: string;
      readonly ramdisk: string | undefined;
      readonly commandLine: string;
    }
  | { readonly from: 'bootloader'; readonly bootloader: string }
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
  readonly mode: 'r' | 'w' | 'w!';
}

export interface NetworkInterface {
  /** Lower case, with colons. */
  readonly mac: string;
  /** Host bridge; undefined means the user-mode network. */
  readonly bridge: string | undefined;
  /** `emulated`: a network card that any guest knows. `paravirtual`: the hypervisor's own. */
  readonly kind: 'emulated' | 'paravirtual';
  readonly model: string | undefined;
}

export interface Display {
  readonly listen: string;
  /** Display number (TCP port less 5900); undefined takes the first that is free. */
  readonly number: number | undefined;
  /** undefined: no password is asked. Empty: nobody may log in. */
  readonly password: string | undefined;
}
