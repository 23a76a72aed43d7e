import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qemuArguments } from '../../src/drivers/qemu/arguments.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { readGuestConfig } from '../../src/vmcfg/guest-config.ts';
import { expectGolden } from '../support/golden.ts';
import { demoConfig } from '../support/guest-config.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const folder = 'test/golden/files/qemu';
const host = { accelerator: 'tcg', userNetwork: 'restricted', vncPorts: { first: 5900, last: 5999 } } as const;
const files = {
  monitor: '/run/g/qmp',
  serial: '/run/g/serial',
  processId: '/run/g/pid',
  interfacePrefix: 'vm0123456789',
};
const names = readdirSync(join(import.meta.dirname, 'files/qemu'))
  .filter(name => name.endsWith('.cfg'))
  .map(name => name.slice(0, -'.cfg'.length));

/** One option a line, with its value. */
function lines(args: readonly string[]): string {
  return `${args.join('\n').replace(/\n(?!-)/g, ' ')}\n`;
}

describe("QEMU's command line for", () => {
  it.each(names)('%s.cfg', name => {
    const guest = readGuestConfig(
      readFileSync(join(import.meta.dirname, `files/qemu/${name}.cfg`)),
      parseGuestPath(`/OVS/running_pool/${name}`),
      facts64,
    );
    expectGolden(`${folder}/${name}.args`, lines(qemuArguments(guest, host, files)));
  });

  it('a guest on KVM, with its processor, on an open network', () => {
    const args = lines(
      qemuArguments(
        demoConfig('kvm', {
          networkInterfaces: [{ mac: '00:16:3e:00:00:01', bridge: undefined, kind: 'paravirtual', model: undefined }],
        }),
        { ...host, accelerator: 'kvm', userNetwork: 'open' },
        files,
      ),
    );
    expect(args).toContain('\n-accel kvm\n-cpu host\n');
    expect(args).toContain('\n-netdev user,id=net0,restrict=off\n');
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
    );
    expect(args).toContain(
      'driver=raw,node-name=disk0,read-only=off,discard=unmap,file.driver=file,file.filename=/OVS/x,,readonly=on,,y.img',
    );
  });

  it('no password of a display is ever in it', () => {
    const args = qemuArguments(
      demoConfig('a', { display: { listen: '127.0.0.1', number: undefined, password: 'geheim' } }),
      host,
      files,
    );
    expect(args.join(' ')).not.toContain('geheim');
    expect(args).toContain('127.0.0.1:0,to=99,password=on');
  });
});
