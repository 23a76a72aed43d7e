import { AgentError } from '../../errors.ts';
import { makeTaps, removeTaps, requireRoomFor } from '../../host/bridges.ts';
import type { Clock } from '../../host/clock.ts';
import type { Disk, NetworkInterface } from '../../model/guest-config.ts';
import type { QemuHost } from './arguments.ts';
import { diskDeviceOf, imageOf, isHotPluggable, nodeName } from './disks.ts';
import { cardId, networkCardOf, networkId, networkOf, tapInterfaceName } from './network-cards.ts';
import type { QemuDomain } from './qemu-domain.ts';

/** Time for the system inside to let go of a device (ACPI ejection). */
const RELEASE_MS = 20_000;

/** Disks, media and network cards of a running QEMU, given and taken away over QMP. */
export class HotPlug {
  readonly #domain: QemuDomain;
  readonly #clock: Clock;
  readonly #userNetwork: QemuHost['userNetwork'];

  constructor(domain: QemuDomain, clock: Clock, userNetwork: QemuHost['userNetwork']) {
    this.#domain = domain;
    this.#clock = clock;
    this.#userNetwork = userNetwork;
  }

  async attachDisk(disk: Disk): Promise<void> {
    const { kind, holdings } = this.#domain.note;
    // The places of the IDE bus are taken at the start only.
    const owner = { kind, disks: [{ target: 'hda' }] };
    if (disk.source === undefined || !isHotPluggable(disk, owner)) {
      throw this.#refuse(
        'NOT_SUPPORTED',
        `${disk.target} cannot be given to a running guest; xvd… can, or stop it first`,
      );
    }
    await this.#addImage(disk, disk.source);
    try {
      await this.#domain.execute('device_add', diskDeviceOf(disk, owner));
    } catch (error) {
      await this.#removeImage(disk.target);
      throw error;
    }
    const { mode, source, target } = disk;
    this.#domain.hold({ disks: [...holdings.disks, { target, source, mode }] });
  }

  async detachDisk(target: string): Promise<void> {
    await this.#removeDevice(target);
    await this.#removeImage(target);
    this.#domain.hold({ disks: this.#domain.note.holdings.disks.filter(disk => disk.target !== target) });
  }

  /** The new image is opened before the old one leaves the drive: where it cannot be, the drive stays as it was. */
  async changeMedium(drive: Disk): Promise<void> {
    const { source, target } = drive;
    const before = await this.#mediumOf(target);
    const next = source === undefined ? undefined : `${nodeName(target)}-${nextNumber(before)}`;
    if (next !== undefined) {
      await this.#domain.execute('blockdev-add', { ...imageOf(drive, source!), 'node-name': next });
    }
    await this.#domain.execute('blockdev-open-tray', { id: target, force: true });
    if (before !== undefined) await this.#domain.execute('blockdev-remove-medium', { id: target });
    const insert = (image: string): Promise<unknown> =>
      this.#domain.execute('blockdev-insert-medium', { id: target, 'node-name': image });
    try {
      if (next !== undefined) await insert(next);
    } catch (error) {
      if (before !== undefined) await insert(before);
      await this.#domain.execute('blockdev-close-tray', { id: target });
      if (next !== undefined) await this.#domain.execute('blockdev-del', { 'node-name': next });
      throw error;
    }
    await this.#domain.execute('blockdev-close-tray', { id: target });
    if (before !== undefined) await this.#domain.execute('blockdev-del', { 'node-name': before });
    const others = this.#domain.note.holdings.disks.filter(disk => disk.target !== target);
    this.#domain.hold({ disks: source === undefined ? others : [...others, { target, source, mode: 'r' }] });
  }

  async attachNetworkInterface(card: NetworkInterface): Promise<void> {
    const { note, place } = this.#domain;
    const name = tapInterfaceName(card, place.files.interfacePrefix);
    const taps = card.bridge === undefined ? [] : [{ name, bridge: card.bridge, rateLimit: card.rateLimit }];
    requireRoomFor(taps);
    // Written down first: whatever happens in between, an interface of a guest that has ended is removed.
    this.#domain.hold({}, { ...note.taps, ...Object.fromEntries(taps.map(tap => [card.mac, tap.name])) });
    try {
      await makeTaps(taps, this.#clock);
      await this.#domain.execute('netdev_add', networkOf(card, name, this.#userNetwork));
      await this.#domain
        .execute('device_add', networkCardOf(card, note.kind))
        .catch((error: unknown) =>
          this.#domain.execute('netdev_del', { id: networkId(card.mac) }).then(() => Promise.reject(error as Error)),
        );
    } catch (error) {
      await removeTaps(
        taps.map(tap => tap.name),
        this.#clock,
      );
      this.#domain.hold({}, note.taps);
      throw error;
    }
    this.#domain.hold({ macs: [...note.holdings.macs, card.mac] });
  }

  async detachNetworkInterface(mac: string): Promise<void> {
    await this.#removeDevice(cardId(mac));
    await this.#domain.execute('netdev_del', { id: networkId(mac) });
    const { holdings, taps } = this.#domain.note;
    const { [mac]: gone, ...others } = taps;
    if (gone !== undefined) await removeTaps([gone], this.#clock);
    this.#domain.hold({ macs: holdings.macs.filter(other => other !== mac) }, others);
  }

  async #addImage(disk: Disk, source: string): Promise<void> {
    await this.#domain.execute('blockdev-add', imageOf(disk, source));
  }

  async #removeImage(target: string): Promise<void> {
    await this.#domain.execute('blockdev-del', { 'node-name': nodeName(target) });
  }

  async #removeDevice(id: string): Promise<void> {
    const event = await this.#domain.eventAfter(
      ({ data, event: name }) =>
        data['device'] === id && (name === 'DEVICE_DELETED' || name === 'DEVICE_UNPLUG_GUEST_ERROR'),
      RELEASE_MS,
      () => this.#domain.execute('device_del', { id }),
    );
    if (event?.event === 'DEVICE_DELETED') return;
    throw this.#refuse(
      'HYPERVISOR',
      `the system inside does not let go of ${id}; see to it there, or stop the guest first`,
    );
  }

  /** Name of the image in a drive. */
  async #mediumOf(target: string): Promise<string | undefined> {
    const drives = (await this.#domain.execute('query-block')) as readonly {
      readonly qdev?: string;
      readonly inserted?: { readonly 'node-name'?: string };
    }[];
    const drive = drives.find(({ qdev }) => qdev === target);
    if (!drive)
      throw this.#refuse('NOT_SUPPORTED', `it runs without the drive ${target}; the change needs a stop and a start`);
    return drive.inserted?.['node-name'];
  }

  #refuse(code: 'NOT_SUPPORTED' | 'HYPERVISOR', why: string): AgentError {
    return new AgentError(code, `change ${this.#domain.path}: ${why}`);
  }
}

/** Images come and go under names that alternate: the old one is there until the new one is open. */
function nextNumber(before: string | undefined): number {
  return before?.endsWith('-1') ? 2 : 1;
}
