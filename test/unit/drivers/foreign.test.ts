import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { findForeignQemus } from '../../../src/drivers/qemu/foreign.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

describe('QEMUs of others', () => {
  let table: string;

  beforeEach(() => {
    table = temporaryDirectory();
    mkdirSync(join(table, 'self'));
  });

  function plant(id: number, args: readonly string[], program = '/usr/bin/qemu-system-x86_64'): void {
    const directory = join(table, String(id));
    mkdirSync(directory);
    writeFileSync(join(directory, 'cmdline'), args.map(arg => `${arg}\0`).join(''));
    symlinkSync(program, join(directory, 'exe'));
  }

  async function listenAt(path: string): Promise<void> {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(path, resolve));
    onTestFinished(() => void server.close());
  }

  const found = () => findForeignQemus('/run/ours/guests', table);

  it('are found by their program, ours are not among them', () => {
    plant(10, ['qemu-system-x86_64', '-name', 'guest=web,debug-threads=on']);
    plant(11, ['x', '-chardev', 'socket,id=monitor,path=/run/ours/guests/0123/qmp,server=on,wait=off']);
    plant(12, ['qemu-system-x86_64', '-name', 'liar'], '/bin/sleep');
    plant(13, ['anything', '-name', 'old'], '/usr/libexec/qemu-kvm (deleted)');
    plant(14, ['qemu-img', 'convert'], '/usr/bin/qemu-img');
    plant(15, ['qemu', '-chardev', 'socket,id=monitor,path=/run/ours/guests-of-another/0/qmp,server=on']);
    expect(found().map(({ id, name }) => [id, name])).toEqual([
      [10, 'web'],
      [13, 'old'],
      [15, ''],
    ]);
  });

  it('have names that hold no more than a name may', () => {
    plant(10, ['q', '-name', `guest=a,,b\n\u001b[2J<${'x'.repeat(200)}`]);
    const [{ name } = { name: '' }] = found();
    expect(name).toMatch(/^a\?b\?\?\?2J\?x+$/);
    expect(name).toHaveLength(64);
  });

  it('can be controlled where their monitor is a socket that is there', async () => {
    const socket = join(table, 'qmp');
    await listenAt(socket);
    plant(10, ['q', '-qmp', `unix:${socket},server=on,wait=off`]);
    plant(11, ['q', '-chardev', `socket,id=m,path=${socket},server=on`, '-mon', 'chardev=m,mode=control']);
    plant(12, ['q', '-chardev', `socket,id=m,path=${socket},server=on`, '-mon', 'chardev=m,mode=readline']);
    plant(13, ['q', '-chardev', 'socket,id=m,fd=24,server=on', '-mon', 'chardev=m,mode=control']);
    plant(14, ['q', '-qmp', 'unix:relative/qmp,server=on']);
    plant(15, ['q', '-qmp', 'unix:/no/such/socket']);
    plant(16, ['q']);
    expect(found().map(({ id, controllable }) => [id, controllable])).toEqual([
      [10, true],
      [11, true],
      [12, false],
      [13, false],
      [14, false],
      [15, false],
      [16, false],
    ]);
    expect(found().every(({ reason }) => reason.length > 0)).toBe(true);
  });

  it('that end while they are looked at are passed over', () => {
    mkdirSync(join(table, '17'));
    expect(found()).toEqual([]);
  });
});
