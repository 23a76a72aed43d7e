import { AgentError, type FailureCode } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { Disk, GuestConfig, NetworkInterface } from '../../model/guest-config.ts';
import { askDeviceModel } from './device-model.ts';
import { cardSpecification, diskSpecification, whyNoDisk } from './devices.ts';
import type { XenDomain } from './xen-domain.ts';
import type { Xl } from './xl.ts';

/** Time for the system inside to let go of memory, or to take it. */
const ADAPT_MS = 30_000;
const LOOK_MS = 200;
/** Xen gives and takes memory by pages, and shows whole MiB. */
const TOLERANCE_MIB = 1;

/** Devices, memory and processors of a running domain. What it is made of is written down for the next reset. */
export class HotPlug {
  readonly #xl: Xl;
  readonly #domain: XenDomain;
  readonly #clock: Clock;

  constructor(xl: Xl, domain: XenDomain, clock: Clock) {
    this.#xl = xl;
    this.#domain = domain;
    this.#clock = clock;
  }

  async attachDisk(disk: Disk): Promise<void> {
    const { disks, kind } = this.#config;
    const isEmulated = kind === 'hvm' && disk.target.startsWith('hd');
    if (disk.source === undefined || isEmulated || disks.some(other => other.target === disk.target)) {
      throw this.#refuse(
        'NOT_SUPPORTED',
        `${disk.target} cannot be given to a running guest; a free xvd… can, or stop it first`,
      );
    }
    await this.#add({ disks: [...this.#config.disks, disk] }, () => this.#attach(disk));
  }

  async detachDisk(target: string): Promise<void> {
    if (!this.#config.disks.some(disk => disk.target === target)) {
      throw this.#refuse('NOT_SUPPORTED', `it has no disk ${target}`);
    }
    this.#domain.change({ isAltered: true });
    await this.#detach(target);
    this.#keep({ disks: this.#config.disks.filter(disk => disk.target !== target) });
  }

  /**
   * A machine with firmware has a drive with a button; to a paravirtual one the medium is the disk, which goes and comes. Where
   * the new medium cannot be given the old one comes back.
   */
  async changeMedium(drive: Disk): Promise<void> {
    const before = this.#config.disks.find(disk => disk.target === drive.target && disk.isCdrom);
    if (!before) {
      throw this.#refuse(
        'NOT_SUPPORTED',
        `it runs without the drive ${drive.target}; the change needs a stop and a start`,
      );
    }
    const reason = whyNoDisk(drive);
    if (reason !== undefined) throw this.#refuse('NOT_SUPPORTED', reason);
    if (this.#config.kind === 'hvm') {
      const { format, source, target } = drive;
      if (source !== undefined && format !== 'raw') {
        throw this.#refuse('NOT_SUPPORTED', `${target} takes raw images while it runs, and ${source} is ${format}`);
      }
      if (source !== undefined && this.#domain.note.sealedDrives?.includes(target)) {
        throw this.#refuse(
          'NOT_SUPPORTED',
          `${target} was empty when the guest moved to this server, and takes no medium here until it is stopped and started`,
        );
      }
      await this.#act(source === undefined ? ['cd-eject', target] : ['cd-insert', target, source]);
    } else {
      if (before.source !== undefined) await this.#detach(before.target);
      try {
        if (drive.source !== undefined) await this.#attach(drive);
      } catch (error) {
        if (before.source !== undefined) await this.#attach(before);
        throw error;
      }
    }
    this.#keep({ disks: this.#config.disks.map(disk => (disk === before ? drive : disk)) });
  }

  async attachNetworkInterface(card: NetworkInterface): Promise<void> {
    const { kind, networkInterfaces } = this.#config;
    if (networkInterfaces.some(({ mac }) => mac === card.mac)) {
      throw this.#refuse('NOT_SUPPORTED', `it has a network card ${card.mac}`);
    }
    await this.#add({ networkInterfaces: [...networkInterfaces, card] }, () =>
      this.#act(['network-attach', cardSpecification(card, kind)]),
    );
  }

  async detachNetworkInterface(mac: string): Promise<void> {
    const { networkInterfaces } = this.#config;
    if (!networkInterfaces.some(card => card.mac === mac)) {
      throw this.#refuse('NOT_SUPPORTED', `it has no network card ${mac}`);
    }
    this.#domain.change({ isAltered: true });
    await this.#act(['network-detach', mac]);
    this.#keep({ networkInterfaces: networkInterfaces.filter(card => card.mac !== mac) });
  }

  async setMemory(memoryMib: number): Promise<void> {
    const { maxMemoryMib } = this.#config;
    if (memoryMib > maxMemoryMib) {
      throw this.#refuse('NOT_SUPPORTED', `it runs with room for ${maxMemoryMib} MiB; raise maxmem, stop and start it`);
    }
    await this.#act(['mem-set', `${memoryMib}m`]);
    await this.#untilMemory(memoryMib);
    this.#keep({ memoryMib });
  }

  async setVcpus(count: number): Promise<void> {
    const { maxVcpus } = this.#config;
    if (count > maxVcpus) {
      throw this.#refuse('NOT_SUPPORTED', `it runs with room for ${maxVcpus} processors; stop it first`);
    }
    // The system inside brings them up when it likes.
    await this.#act(['vcpu-set', String(count)]);
    this.#keep({ vcpus: count });
  }

  async setVncPassword(password: string): Promise<void> {
    const { display } = this.#config;
    if (display?.password === undefined) {
      throw this.#refuse('NOT_SUPPORTED', 'it runs without a display that asks for a password; stop it first');
    }
    const { domainId } = this.#domain.note;
    const ask = (command: string, args: Readonly<Record<string, string>>): Promise<unknown> =>
      askDeviceModel(`change ${this.#domain.path}`, domainId!, command, { protocol: 'vnc', ...args }, this.#clock);
    // An empty password would let those in who send an empty one; one that has expired lets nobody in.
    if (password !== '') await ask('set_password', { password });
    await ask('expire_password', { time: password === '' ? 'now' : 'never' });
    this.#keep({ display: { ...display, password } });
  }

  get #config(): GuestConfig {
    return this.#domain.note.config;
  }

  /** Written down before: what xl has begun may be done, whoever is killed meanwhile. */
  async #add(changes: Partial<GuestConfig>, work: () => Promise<void>): Promise<void> {
    const before = this.#config;
    this.#domain.change({ isAltered: true, config: { ...before, ...changes } });
    try {
      await work();
    } catch (error) {
      if (error instanceof AgentError && error.code === 'HYPERVISOR') this.#domain.change({ config: before });
      throw error;
    }
  }

  #keep(changes: Partial<GuestConfig>): void {
    this.#domain.change({ config: { ...this.#config, ...changes } });
  }

  #attach(disk: Disk): Promise<void> {
    return this.#act(['block-attach', diskSpecification(disk, this.#config.kind)]);
  }

  #detach(target: string): Promise<void> {
    return this.#act(['block-detach', target]);
  }

  async #act([command, ...rest]: readonly string[]): Promise<void> {
    const { path, target } = this.#domain;
    await this.#xl.act(`change ${path}`, [command!, target, ...rest]);
  }

  /** xl has asked the system inside, which takes its time. */
  async #untilMemory(memoryMib: number): Promise<void> {
    const deadline = this.#clock.monotonic() + ADAPT_MS;
    for (;;) {
      const row = this.#domain.rowIn(await this.#xl.list());
      if (!row) throw this.#refuse('HYPERVISOR', 'it ended meanwhile');
      if (Math.abs(row.memoryMib - memoryMib) <= TOLERANCE_MIB) return;
      if (this.#clock.monotonic() > deadline) {
        throw this.#refuse(
          'TIMEOUT',
          `the system inside has ${row.memoryMib} MiB and does not come to ${memoryMib}; see to it there`,
        );
      }
      await this.#clock.sleep(LOOK_MS);
    }
  }

  #refuse(code: FailureCode, why: string): AgentError {
    return new AgentError(code, `change ${this.#domain.path}: ${why}`);
  }
}
