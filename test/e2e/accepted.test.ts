import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { qemuArguments } from '../../src/drivers/qemu/arguments.ts';
import { QmpConnection } from '../../src/drivers/qmp-connection.ts';
import { systemClock } from '../../src/host/clock.ts';
import type { Disk, GuestConfig } from '../../src/model/guest-config.ts';
import { parseGuestPath } from '../../src/model/guest-path.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { demoGuest, requireDemoGuest } from '../support/demo-guest.ts';
import { makeTemporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';
import { facts64 } from '../unit/vmcfg/guest-files.ts';

const folder = join(import.meta.dirname, '../golden/files/qemu');
const names = readdirSync(folder).filter(name => name.endsWith('.cfg'));
const host = { accelerator: 'tcg', userNetwork: 'restricted', vncPorts: { first: 5950, last: 5999 } } as const;
let directory: string;

beforeAll(() => {
  requireDemoGuest();
  directory = makeTemporaryDirectory();
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', join(directory, 'qcow2'), '1M']);
  writeFileSync(join(directory, 'raw'), '');
  truncateSync(join(directory, 'raw'), 1 << 20);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The guest with what this machine has: images, a kernel, the user-mode network, no devices of the host. */
function onThisMachine(guest: GuestConfig): GuestConfig {
  const disk = ({ format, source, ...rest }: Disk): Disk => ({
    ...rest,
    format,
    // One image serves for all: QEMU's lock must not stand in the way.
    mode: rest.mode === 'w' ? 'w!' : rest.mode,
    sourceKind: 'file',
    source: source && join(directory, format),
  });
  return {
    ...guest,
    memoryMib: Math.min(guest.memoryMib, 128),
    maxMemoryMib: Math.max(guest.maxMemoryMib, Math.min(guest.memoryMib, 128)),
    boot:
      guest.boot.from === 'firmware'
        ? guest.boot
        : { from: 'kernel', kernel: demoGuest.kernel, ramdisk: undefined, commandLine: 'quiet' },
    disks: guest.disks.map(disk),
    networkInterfaces: guest.networkInterfaces.map(card => ({ ...card, bridge: undefined })),
    display: guest.display && { ...guest.display, listen: '127.0.0.1', number: undefined },
    pciDevices: [],
  };
}

describe('QEMU takes the command line of the guest file', () => {
  it.each(names)('%s', async name => {
    const path = parseGuestPath(`/OVS/running_pool/${name.slice(0, -'.cfg'.length)}`);
    const guest = onThisMachine(new GuestReader(facts64).readConfig(readFileSync(join(folder, name)), path));
    const at = (file: string): string => join(directory, file);
    const files = {
      monitor: at('qmp'),
      serial: at('serial'),
      agent: at('agent'),
      processId: at('pid'),
      interfacePrefix: 'vm0',
    };
    const moment = { now: new Date('2026-07-01T12:00:00Z'), localOffsetSeconds: 0 };
    rmSync(files.monitor, { force: true });
    // Images of one test are opened several times by one QEMU, which its locks would not allow.
    const args = qemuArguments(guest, host, files, moment).map(arg =>
      arg.includes('file.driver=file') ? `${arg},file.locking=off` : arg,
    );
    const child = spawn('qemu-system-x86_64', [...args, '-S'], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', data => (said += String(data).replace(/^VNC server running on .*\n/m, '')));
    const ended = new Promise(resolve => child.once('exit', resolve));
    try {
      let monitor: QmpConnection | undefined;
      await waitUntil('QEMU answers or ends', async () => {
        if (child.exitCode !== null) return true;
        const listener = { onEvent: () => undefined, onClose: () => undefined };
        monitor = await QmpConnection.connect(files.monitor, 10_000, systemClock, listener).catch(() => undefined);
        return monitor !== undefined;
      });
      expect(said).toBe('');
      expect(await monitor!.execute('query-status', undefined, 10_000)).toMatchObject({ status: 'prelaunch' });
      expect(said).toBe('');
      monitor!.close();
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });
});
