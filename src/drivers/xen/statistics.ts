import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DomainStatistics } from '../driver.ts';
import { stateOf, type XenDomain } from './xen-domain.ts';
import type { DomainRow } from './xl-output.ts';

/** Where Linux shows what its backends did for other domains (drivers/block/xen-blkback/xenbus.c, drivers/net/xen-netback). */
const BACKENDS = '/sys/bus/xen-backend/devices';
const SECTOR_BYTES = 512;

/**
 * What one domain has used. Disks that a device model serves, qcow2 images among them, have no counters here and count as
 * nothing.
 */
export function statisticsOf(domain: XenDomain, row: DomainRow, backends = BACKENDS): DomainStatistics {
  const { config, path, phase } = domain.note;
  const devices = backendsOf(row.id, backends);
  const blocks = devices.filter(name => name.startsWith('vbd-')).map(name => countersIn(join(backends, name)));
  const cards = devices
    .filter(name => name.startsWith('vif-'))
    .flatMap(name => interfacesOf(join(backends, name, 'net')).map(countersIn));
  const sum = (all: readonly Counters[], name: string): number =>
    all.reduce((total, counters) => total + counters(name), 0);
  return {
    path,
    state: phase === 'there' ? stateOf(row) : 'starting',
    id: row.id,
    // What it was given: how many of them its system uses is its own affair.
    vcpus: config.vcpus,
    processorTimeMs: row.processorTimeMs,
    memoryMib: row.memoryMib,
    maxMemoryMib: config.maxMemoryMib,
    blocks: {
      readBytes: sum(blocks, 'rd_sect') * SECTOR_BYTES,
      writtenBytes: sum(blocks, 'wr_sect') * SECTOR_BYTES,
      reads: sum(blocks, 'rd_req'),
      writes: sum(blocks, 'wr_req'),
    },
    // What the server's end of a card sends is what the guest receives.
    network: { receivedBytes: sum(cards, 'tx_bytes'), sentBytes: sum(cards, 'rx_bytes') },
    answerAgeMs: 0,
  };
}

type Counters = (name: string) => number;

function backendsOf(id: number, backends: string): readonly string[] {
  return namesIn(backends).filter(name => new RegExp(`^(?:vbd|vif)-${id}-\\d+$`).test(name));
}

function interfacesOf(directory: string): readonly string[] {
  return namesIn(directory).map(name => join(directory, name));
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    // It went in this moment.
    return [];
  }
}

function countersIn(device: string): Counters {
  return name => {
    try {
      const value = Number(readFileSync(join(device, 'statistics', name), 'utf8').trim());
      return Number.isSafeInteger(value) && value >= 0 ? value : 0;
    } catch {
      return 0;
    }
  };
}
