import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GuestDirectory } from '../../../src/drivers/guest-directory.ts';
import { statisticsOf } from '../../../src/drivers/xen/statistics.ts';
import { XenDomain, type XenNote } from '../../../src/drivers/xen/xen-domain.ts';
import { parseDomainList } from '../../../src/drivers/xen/xl-output.ts';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { printedList, printedRow } from '../../support/xl-recordings.ts';

const path = parseGuestPath('/OVS/running_pool/a');
const [row] = parseDomainList(printedList(printedRow({ id: 5, memoryMib: 80, vcpus: 1, seconds: 12.3 })));
const nothing = {
  blocks: { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 },
  network: { receivedBytes: 0, sentBytes: 0 },
};

function read(files: Readonly<Record<string, string>>, phase: XenNote['phase'] = 'there'): unknown {
  const backends = temporaryDirectory();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(backends, name)), { recursive: true });
    writeFileSync(join(backends, name), text);
  }
  const place = new GuestDirectory<XenNote>(temporaryDirectory(), GuestDirectory.idOf(path));
  const config = demoConfig('a', { maxMemoryMib: 200, vcpus: 2 });
  const note = { path, config, domainId: 5, phase, rebootAsked: false, isAltered: false, vncPort: undefined };
  return statisticsOf(new XenDomain(place, note), row!, backends);
}

const block = (device: string, [rdReq, rdSect, wrReq, wrSect]: readonly string[]): Record<string, string> => ({
  [`${device}/statistics/rd_req`]: rdReq!,
  [`${device}/statistics/rd_sect`]: rdSect!,
  [`${device}/statistics/wr_req`]: wrReq!,
  [`${device}/statistics/wr_sect`]: wrSect!,
});

const card = (device: string, name: string, received: string, sent: string): Record<string, string> => ({
  // What the server's end sends, the guest receives.
  [`${device}/net/${name}/statistics/tx_bytes`]: received,
  [`${device}/net/${name}/statistics/rx_bytes`]: sent,
});

describe('what a domain of Xen has used', () => {
  it('is what Linux counts of all its disks and cards, and what Xen says of the rest', () => {
    expect(
      read({
        ...block('vbd-5-51712', ['10\n', '100\n', '20\n', '200\n']),
        ...block('vbd-5-51728', ['1\n', '2\n', '3\n', '4\n']),
        ...card('vif-5-0', 'vif5.0', '1000\n', '2000\n'),
        ...card('vif-5-1', 'my-name', '1\n', '2\n'),
      }),
    ).toEqual({
      path,
      state: 'running',
      id: 5,
      // What it was given: its system may use fewer.
      vcpus: 2,
      processorTimeMs: 12_300,
      memoryMib: 80,
      maxMemoryMib: 200,
      blocks: { readBytes: 102 * 512, writtenBytes: 204 * 512, reads: 11, writes: 23 },
      network: { receivedBytes: 1001, sentBytes: 2002 },
      answerAgeMs: 0,
    });
  });

  it('is nothing of what other domains have used, whatever their numbers begin with', () => {
    const counters = ['1', '1', '1', '1'];
    expect(
      read({
        ...block('vbd-51-51712', counters),
        ...block('vbd-15-51712', counters),
        ...block('vbd-0-5', counters),
        ...block('qdisk-5-51712', counters),
        ...block('vbd-5-51712-old', counters),
        ...block('xvbd-5-51712', counters),
        ...card('vif-50-0', 'vif50.0', '1', '1'),
        ...card('vif-1-5', 'vif1.5', '1', '1'),
      }),
    ).toMatchObject(nothing);
  });

  it('is what is left where a device goes while it is read', () => {
    expect(read({})).toMatchObject(nothing);
    expect(
      read({
        'vbd-5-51712/uevent': '',
        'vif-5-0/uevent': '',
        'vif-5-1/net/vif5.1/uevent': '',
        'vbd-5-51728/statistics/rd_sect': '8\n',
        'vbd-5-51744': 'no directory',
        'vif-5-2/net': 'no directory',
      }),
    ).toMatchObject({ ...nothing, blocks: { readBytes: 8 * 512, writtenBytes: 0, reads: 0, writes: 0 } });
    const place = new GuestDirectory<XenNote>(temporaryDirectory(), GuestDirectory.idOf(path));
    const note = { path, config: demoConfig('a'), domainId: 5, phase: 'there', rebootAsked: false } as const;
    const domain = new XenDomain(place, { ...note, isAltered: false, vncPort: undefined });
    expect(statisticsOf(domain, row!, join(temporaryDirectory(), 'none'))).toMatchObject(nothing);
  });

  it.each(['', '\n', '-1\n', '1.5\n', 'many\n', 'NaN\n', 'Infinity\n', '9'.repeat(30), '1 2\n', '\0'])(
    'never counts what is no number: %j',
    text => {
      expect(
        read({ ...block('vbd-5-51712', [text, text, text, text]), ...card('vif-5-0', 'vif5.0', text, text) }),
      ).toMatchObject(nothing);
    },
  );

  it('is told of a domain that is being made as of one that starts', () => {
    expect(read({}, 'replacing')).toMatchObject({ state: 'starting', id: 5 });
  });
});
