import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qemuArguments } from '../../src/drivers/qemu/arguments.ts';
import { whyNotOnQemu } from '../../src/drivers/qemu/refusals.ts';
import { messageOf } from '../../src/errors.ts';
import type { GuestConfig } from '../../src/model/guest-config.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { expectGolden } from '../support/golden.ts';
import { demoConfig } from '../support/guest-config.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const folder = 'test/golden/files/qemu';
const host = { accelerator: 'tcg', userNetwork: 'restricted', vncPorts: { first: 5900, last: 5999 } } as const;
const files = {
  monitor: '/run/g/qmp',
  serial: '/run/g/serial',
  agent: '/run/g/agent',
  processId: '/run/g/pid',
  interfacePrefix: 'vm012345',
};
/** A moment in the summer of a server two hours ahead of UTC. */
const moment = { now: new Date('2026-07-01T12:00:00Z'), localOffsetSeconds: 7200 };
const card = {
  mac: '00:16:3e:00:00:01',
  bridge: undefined,
  kind: 'paravirtual',
  model: undefined,
  hostName: undefined,
  rateLimit: undefined,
} as const;
const namesIn = (directory: string): string[] =>
  readdirSync(join(import.meta.dirname, 'files', directory))
    .filter(name => name.endsWith('.cfg'))
    .map(name => name.slice(0, -'.cfg'.length));
const names = namesIn('qemu');

/** One option a line, with its value. */
function lines(args: readonly string[]): string {
  return `${args.join('\n').replace(/\n(?!-)/g, ' ')}\n`;
}

function read(name: string): GuestConfig {
  return new GuestReader(facts64).readConfig(
    readFileSync(join(import.meta.dirname, `files/${name.startsWith('refused-') ? 'refused' : 'qemu'}/${name}.cfg`)),
    parseGuestPath(`/OVS/running_pool/${name}`),
  );
}

/** Why the agent does not start such a guest. */
function refusalOf(name: string): string {
  try {
    return whyNotOnQemu(read(name)) ?? 'it is not refused';
  } catch (error) {
    return messageOf(error);
  }
}

describe('What cannot be honoured is refused with a sentence:', () => {
  it.each(namesIn('refused'))('%s.cfg', name => {
    const sentence = refusalOf(name);
    expect(sentence).not.toBe('it is not refused');
    expectGolden(`test/golden/files/refused/${name}.error`, `${sentence}\n`);
  });
});

describe("QEMU's command line for", () => {
  it.each(names)('%s.cfg', name => {
    const guest = read(name);
    expect(whyNotOnQemu(guest)).toBeUndefined();
    expectGolden(`${folder}/${name}.args`, lines(qemuArguments(guest, host, files, moment)));
  });

  it('a guest on KVM, with its processor, on an open network', () => {
    const args = lines(
      qemuArguments(
        demoConfig('kvm', {
          networkInterfaces: [card],
        }),
        { ...host, accelerator: 'kvm', userNetwork: 'open' },
        files,
        moment,
      ),
    );
    expect(args).toContain('\n-accel kvm\n-cpu host\n');
    expect(args).toContain('\n-netdev user,id=net-00163e000001,restrict=off\n');
  });

  it('a name or a file with a comma cannot make options of its own', () => {
    const args = qemuArguments(
      demoConfig('a', {
        disks: [
          {
            source: '/OVS/x,readonly=on,y.img',
            sourceKind: 'file',
            format: 'raw',
            target: 'xvda',
            isCdrom: false,
            mode: 'w',
          },
        ],
      }),
      host,
      files,
      moment,
    );
    expect(args).toContain(
      'driver=raw,node-name=image-xvda,read-only=off,discard=unmap,file.driver=file,file.filename=/OVS/x,,readonly=on,,y.img',
    );
  });

  it('no password of a display is ever in it', () => {
    const args = qemuArguments(
      demoConfig('a', { display: { listen: '127.0.0.1', number: undefined, password: 'geheim' } }),
      host,
      files,
      moment,
    );
    expect(args.join(' ')).not.toContain('geheim');
    expect(args).toContain('127.0.0.1:0,to=99,password=on');
  });
});
