import { AgentError } from '../../errors.ts';
import { setAffinity } from '../../host/affinity.ts';
import type { Clock } from '../../host/clock.ts';
import type { GuestConfig } from '../../model/guest-config.ts';
import type { QemuDomain } from './qemu-domain.ts';

const MIB = 2 ** 20;
/** Linux takes memory in blocks of this size (x86, "memory_block_size_bytes"). */
const MEMORY_BLOCK_MIB = 128;
/** Time for the system inside to give memory back or a processor up. */
const GIVE_BACK_MS = 20_000;
/** Time for the system inside to take a memory module into use. */
const TAKE_MS = 20_000;
const LOOK_MS = 50;

/** Memory and processors of a running QEMU. */
export class Resources {
  readonly #domain: QemuDomain;
  readonly #clock: Clock;

  constructor(domain: QemuDomain, clock: Clock) {
    this.#domain = domain;
    this.#clock = clock;
  }

  /**
   * Memory grows by modules that are plugged in, up to maxmem, and shrinks by a balloon in the system inside. So a guest
   * never has more than it was given, whatever drivers it lacks.
   */
  async setMemory(memoryMib: number): Promise<void> {
    const summary = (await this.#domain.execute('query-memory-size-summary')) as MemorySummary;
    const totalMib = (summary['base-memory'] + (summary['plugged-memory'] ?? 0)) / MIB;
    const plugged = memoryMib > totalMib ? await this.#plugMemory(totalMib, memoryMib) : undefined;
    const before = await this.#balloonMib();
    if (before === memoryMib) return;
    await this.#domain.execute('balloon', { value: memoryMib * MIB });
    const after = await this.#untilBalloon(memoryMib);
    if (after === memoryMib) return;
    await this.#domain.execute('balloon', { value: before * MIB });
    if (plugged !== undefined) await this.#unplugMemory(plugged);
    throw this.#refuse(
      'HYPERVISOR',
      `the system inside went to ${after} MiB and not to ${memoryMib}; it needs the virtio balloon driver and that much to spare`,
    );
  }

  async setVcpus(count: number): Promise<void> {
    const slots = (await this.#domain.execute('query-hotpluggable-cpus')) as readonly ProcessorSlot[];
    // QEMU lists them from the last to the first.
    const all = [...slots].reverse();
    const present = all.filter(slot => slot['qom-path'] !== undefined);
    if (count > all.length) {
      throw this.#refuse(
        'NOT_SUPPORTED',
        `it runs with room for ${all.length} processors; stop it first, or write maxvcpus for the next start`,
      );
    }
    const absent = all.filter(slot => slot['qom-path'] === undefined);
    for (const slot of absent.slice(0, Math.max(0, count - present.length))) {
      await this.#domain.execute('device_add', { driver: slot.type, id: processorId(slot), ...slot.props });
    }
    const surplus = present.slice(count).reverse();
    // All or none: those of the start cannot leave.
    if (surplus.some(slot => !isOurs(slot))) {
      throw this.#refuse(
        'NOT_SUPPORTED',
        `the processors that it was started with stay while it runs (it has ${present.length}); stop it first`,
      );
    }
    for (const slot of surplus) await this.#unplugProcessor(slot);
  }

  /** Binds each processor of the guest, which QEMU runs as a thread, to processors of the host. */
  async pin(pinning: GuestConfig['pinning']): Promise<void> {
    const threads = (await this.#domain.execute('query-cpus-fast')) as readonly {
      readonly 'cpu-index': number;
      readonly 'thread-id': number;
    }[];
    await Promise.all(
      threads.map(thread => {
        const set = pinning[thread['cpu-index']] ?? pinning.at(-1)!;
        return setAffinity(thread['thread-id'], set, this.#clock, []);
      }),
    );
  }

  async #plugMemory(totalMib: number, memoryMib: number): Promise<string> {
    const sizeMib = Math.ceil((memoryMib - totalMib) / MEMORY_BLOCK_MIB) * MEMORY_BLOCK_MIB;
    const id = `memory-${totalMib}`;
    this.#domain.alter();
    await this.#domain.execute('object-add', {
      'qom-type': 'memory-backend-ram',
      id: `${id}-backend`,
      size: sizeMib * MIB,
    });
    const answer = await this.#domain
      .eventAfter(
        ({ data, event }) => event === 'ACPI_DEVICE_OST' && ostOf(data).device === id,
        TAKE_MS,
        () => this.#domain.execute('device_add', { driver: 'pc-dimm', id, memdev: `${id}-backend` }),
      )
      .catch(async (cause: unknown) => {
        await this.#domain.execute('object-del', { id: `${id}-backend` });
        throw new AgentError(
          'NOT_SUPPORTED',
          `change ${this.#domain.path}: it runs with ${totalMib} MiB and no room for ${sizeMib} more (memory grows by ` +
            `${MEMORY_BLOCK_MIB} MiB at a time, up to maxmem); stop it first, or write maxmem for the next start`,
          { cause },
        );
      });
    // A balloon that is blown up before the module is in use would take the memory that its use needs.
    if (answer && ostOf(answer.data).status === 0) return id;
    throw this.#refuse(
      'HYPERVISOR',
      `the system inside does not take ${sizeMib} MiB more while it runs; it needs ACPI memory hot-plug, or a stop and a start`,
    );
  }

  /** Takes a module back where the system inside lets go of it, as it can while it has not used it. */
  async #unplugMemory(id: string): Promise<void> {
    const event = await this.#domain.eventAfter(
      ({ data, event: name }) => name === 'DEVICE_DELETED' && data['device'] === id,
      GIVE_BACK_MS,
      () => this.#domain.execute('device_del', { id }),
    );
    if (event) await this.#domain.execute('object-del', { id: `${id}-backend` });
  }

  async #balloonMib(): Promise<number> {
    const { actual } = (await this.#domain.execute('query-balloon')) as { actual: number };
    return Math.round(actual / MIB);
  }

  async #untilBalloon(memoryMib: number): Promise<number> {
    const deadline = this.#clock.monotonic() + GIVE_BACK_MS;
    for (;;) {
      const now = await this.#balloonMib();
      if (now === memoryMib || this.#clock.monotonic() > deadline) return now;
      await this.#clock.sleep(LOOK_MS);
    }
  }

  async #unplugProcessor(slot: ProcessorSlot): Promise<void> {
    const id = processorId(slot);
    const event = await this.#domain.eventAfter(
      ({ data, event: name }) => name === 'DEVICE_DELETED' && data['device'] === id,
      GIVE_BACK_MS,
      () => this.#domain.execute('device_del', { id }),
    );
    if (!event)
      throw this.#refuse('HYPERVISOR', `the system inside does not let go of processor ${id}; stop the guest first`);
  }

  #refuse(code: 'NOT_SUPPORTED' | 'HYPERVISOR', why: string): AgentError {
    return new AgentError(code, `change ${this.#domain.path}: ${why}`);
  }
}

/** What the system inside says of a device that was plugged in (ACPI _OST; QAPI ACPIOSTInfo). */
function ostOf(data: Readonly<Record<string, unknown>>): { readonly device?: unknown; readonly status?: unknown } {
  return data['info'] ?? {};
}

interface MemorySummary {
  readonly 'base-memory': number;
  readonly 'plugged-memory'?: number;
}

interface ProcessorSlot {
  readonly type: string;
  readonly props: Readonly<Record<string, number>>;
  readonly 'qom-path'?: string;
}

/** Whether a processor was plugged in by us: those of the start have no id. */
function isOurs(slot: ProcessorSlot): boolean {
  return slot['qom-path']?.endsWith(`/${processorId(slot)}`) === true;
}

function processorId(slot: ProcessorSlot): string {
  return `processor-${Object.values(slot.props).join('-')}`;
}
