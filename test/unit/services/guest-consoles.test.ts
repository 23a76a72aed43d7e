import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SimulatedDriver } from '../../../src/drivers/simulated/simulated-driver.ts';
import { SimulatedMachine } from '../../../src/drivers/simulated/simulated-machine.ts';
import type { SimulatedSerialPort } from '../../../src/drivers/simulated/simulated-serial-port.ts';
import { AgentError } from '../../../src/errors.ts';
import { systemClock } from '../../../src/host/clock.ts';
import { type GuestPath, parseGuestPath } from '../../../src/model/guest-path.ts';
import type { AttachOptions, ConsoleReader, ConsoleSession } from '../../../src/services/guest-console.ts';
import { GuestConsoles } from '../../../src/services/guest-consoles.ts';
import { GuestRecords } from '../../../src/services/guest-records.ts';
import { SqliteStore } from '../../../src/store/sqlite-store.ts';
import { failureOf } from '../../support/failure-of.ts';
import { demoConfig } from '../../support/guest-config.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/silent-log.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const DOWN = '\r\n[guest is down; waiting for its next start, Ctrl-] leaves]\r\n';

/** Somebody who reads a console, at once or not at all. */
class Reader implements ConsoleReader {
  text = '';
  pendingBytes = 0;
  state: 'open' | 'ended' | 'aborted' = 'open';
  drains = 0;
  isSlow = false;

  write(data: Uint8Array): void {
    this.text += Buffer.from(data).toString('latin1');
    if (this.isSlow) this.pendingBytes += data.length;
  }

  drained(): void {
    this.drains++;
  }

  end(notice: string): void {
    this.text += notice;
    this.state = 'ended';
  }

  abort(): void {
    this.state = 'aborted';
  }

  until(text: string): Promise<void> {
    return waitUntil(`${JSON.stringify(text)} in ${JSON.stringify(this.text.slice(-500))}`, () =>
      this.text.includes(text),
    );
  }
}

interface House {
  readonly machine: SimulatedMachine;
  readonly driver: SimulatedDriver;
  readonly consoles: GuestConsoles;
  readonly records: GuestRecords;
  readonly directory: string;
  /** Starts the guest as the lifecycle does. */
  readonly start: (serial?: boolean) => Promise<SimulatedSerialPort>;
  readonly attach: (options?: Partial<AttachOptions>) => { reader: Reader; session: ConsoleSession };
}

function house({
  machine = new SimulatedMachine(),
  directory = join(temporaryDirectory(), 'console'),
  historyBytes = 1000,
  wrap = (driver: SimulatedDriver): Pick<SimulatedDriver, 'openSerial' | 'onEvent'> => driver,
} = {}): House {
  const store = SqliteStore.open(join(temporaryDirectory(), 'agent.db'));
  onTestFinished(() => store.close());
  const driver = new SimulatedDriver(machine);
  const records = new GuestRecords(store, systemClock, { emit: () => undefined });
  const consoles = new GuestConsoles({
    driver: wrap(driver),
    records,
    directory,
    historyBytes,
    clock: systemClock,
    log: silentLog,
  });
  onTestFinished(() => consoles.close());
  return {
    machine,
    driver,
    consoles,
    records,
    directory,
    async start(serial = true) {
      await records.setStatus(path, 'RUNNING');
      await driver.start({ path, config: demoConfig('guest', { serialPorts: serial ? ['console'] : [] }) });
      consoles.follow(path);
      const port = machine.domains.get(path)?.serial;
      if (serial) await waitUntil('the console is read', () => port?.hasClient === true);
      return port!;
    },
    attach(options = {}) {
      const reader = new Reader();
      const usual = { mode: 'interactive', takeOver: false, historyBytes: 1000, who: 'root (local)' } as const;
      return { reader, session: consoles.attach(path, { ...usual, ...options }, reader) };
    },
  };
}

describe('the console of a guest', () => {
  it('shows what the guest prints and types what is typed', async () => {
    const { attach, start } = house();
    const port = await start();
    const { reader, session } = attach();
    port.print('login: ');
    await reader.until('login: ');
    session.write(Buffer.from('root\n'));
    await waitUntil('it was typed', () => port.typed === 'root\n');
    await reader.until('root\n');
  });

  it('gives what was printed before anybody attached, as much as is asked for', async () => {
    const { attach, directory, start } = house();
    const port = await start();
    port.print('booting... up\n');
    await waitUntil('it is written down', () => existsSync(directory) && readdirSync(directory).length === 1);
    expect(attach({ mode: 'view' }).reader.text).toBe('booting... up\n');
    expect(attach({ mode: 'view', historyBytes: 3 }).reader.text).toBe('up\n');
    expect(attach({ mode: 'view', historyBytes: 0 }).reader.text).toBe('');
  });

  it('keeps no more than its limit of what was printed', async () => {
    const { attach, start } = house({ historyBytes: 20 });
    const port = await start();
    const { reader } = attach();
    for (let line = 10; line < 30; line++) port.print(`line ${line}\n`);
    await reader.until('line 29\n');
    const kept = attach({ mode: 'view' }).reader.text;
    expect(kept.length).toBeLessThanOrEqual(20);
    expect(kept).toMatch(/line 29\n$/);
  });

  it('is held by one who types: the next is told who holds it since when, and what to do', async () => {
    const { attach, start } = house();
    await start();
    const { session } = attach({ who: 'admin (10.1.1.1)' });
    const refusal = failureOf(() => attach());
    expect(refusal.code).toBe('BUSY');
    expect(refusal.message).toMatch(
      /^console of \/OVS\/running_pool\/guest: admin \(10\.1\.1\.1\) holds it since 20\S+Z; attach read-only .* or take it over/,
    );
    session.close();
    expect(attach().reader.state).toBe('open');
  });

  it('is taken over by force, and who held it is told by whom', async () => {
    const { attach, start } = house();
    const port = await start();
    const first = attach();
    const second = attach({ takeOver: true, who: 'admin (10.1.1.1)' });
    expect(first.reader).toMatchObject({
      state: 'ended',
      text: '\r\n[console closed: admin (10.1.1.1) took it over]\r\n',
    });
    first.session.write(Buffer.from('lost'));
    second.session.write(Buffer.from('typed'));
    await second.reader.until('typed');
    expect(port.typed).toBe('typed');
    // The end of the first session, which comes late, is not the end of the second.
    first.session.close();
    expect(failureOf(() => attach()).message).toContain('admin (10.1.1.1) holds it');
  });

  it('lets views look on beside who types, but not type', async () => {
    const { attach, start } = house();
    const port = await start();
    const { session } = attach();
    const view = attach({ mode: 'view' });
    view.session.write(Buffer.from('secretly'));
    session.write(Buffer.from('openly'));
    await view.reader.until('openly');
    expect(port.typed).toBe('openly');
  });

  it('has room for 16 views', async () => {
    const { attach, start } = house();
    await start();
    const views = Array.from({ length: 16 }, () => attach({ mode: 'view' }));
    expect(failureOf(() => attach({ mode: 'view' }))).toMatchObject({
      code: 'BUSY',
      message: expect.stringContaining('16 readers are attached') as string,
    });
    attach();
    views[0]!.session.close();
    attach({ mode: 'view' });
  });

  it('drops a reader that does not take its data, and nobody else', async () => {
    const { attach, start } = house();
    const port = await start();
    const slow = attach({ mode: 'view' });
    const other = attach({ mode: 'view' });
    slow.reader.isSlow = true;
    const block = Buffer.alloc(64 * 1024, 'x');
    for (let count = 0; count < 20; count++) port.print(block);
    await waitUntil('all was printed', () => other.reader.text.length === 20 * block.length);
    expect(slow.reader.state).toBe('aborted');
    expect(slow.reader.text.length).toBe(16 * block.length);
    expect(other.reader.state).toBe('open');
  });

  it('stays over the end of the guest, says so once, and goes on at its next start', async () => {
    const { attach, machine, start } = house();
    const first = await start();
    const { reader, session } = attach();
    first.print('last words\n');
    machine.remove(path, 'it was destroyed');
    await reader.until(DOWN);
    expect(session.write(Buffer.from('nobody hears'))).toBe(true);
    const second = await start();
    second.print('first words\n');
    await reader.until('first words\n');
    expect(reader.text).toBe(`last words\n${DOWN}\r\n[guest runs]\r\nfirst words\n`);
    expect(second.typed).toBe('');
  });

  it('can be attached to while the guest is down: what it printed, then the notice', async () => {
    const { attach, machine, start } = house();
    const port = await start();
    const watcher = attach({ mode: 'view' });
    port.print('last words\n');
    machine.remove(path, 'it was destroyed');
    await watcher.reader.until(DOWN);
    watcher.session.close();
    expect(attach().reader.text).toBe(`last words\n${DOWN}`);
  });

  it('is not read twice when a guest is followed again', async () => {
    const { attach, consoles, start } = house();
    const port = await start();
    consoles.follow(path);
    const { reader } = attach();
    port.print('once');
    await reader.until('once');
    expect(reader.text).toBe('once');
  });

  it('is opened again when it was lost while the guest runs, without a word', async () => {
    const lines: Duplex[] = [];
    const { attach, start } = house({
      wrap: driver => ({
        onEvent: listener => driver.onEvent(listener),
        async openSerial(guest: GuestPath) {
          const line = await driver.openSerial(guest);
          lines.push(line);
          return line;
        },
      }),
    });
    const port = await start();
    const { reader } = attach();
    lines[0]!.destroy(new Error('connection reset'));
    await waitUntil('it is read again', () => lines.length === 2 && port.hasClient);
    port.print('again');
    await reader.until('again');
    expect(reader.text).toBe('again');
  });

  it('of a guest without a serial port says so; at a start with one it is there', async () => {
    const { attach, consoles, machine, start } = house();
    await start(false);
    await waitUntil('it is known', () => {
      try {
        attach({ mode: 'view' }).session.close();
        return false;
      } catch (error) {
        return (
          error instanceof AgentError && error.code === 'NOT_SUPPORTED' && error.message.includes("serial = 'pty'")
        );
      }
    });
    machine.remove(path, 'it was destroyed');
    const { reader } = attach();
    expect(reader.text).toBe(DOWN);
    await start(false);
    await reader.until('[guest runs without a serial port');
    machine.remove(path, 'it was destroyed');
    (await start()).print('here');
    await reader.until('here');
    await consoles.close();
  });

  it('makes who types wait for a guest that takes no input', async () => {
    let takeInput = (): void => undefined;
    const line = new Duplex({
      read: () => undefined,
      write: (_data, _encoding, done) => {
        takeInput = done;
      },
    });
    const { attach, start } = house({
      wrap: driver => ({ onEvent: listener => driver.onEvent(listener), openSerial: () => Promise.resolve(line) }),
    });
    await start(false);
    const { reader, session } = attach();
    await waitUntil('the port is open', () => line.listenerCount('data') > 0);
    expect(session.write(Buffer.alloc(1000))).toBe(true);
    expect(session.write(Buffer.alloc(64 * 1024))).toBe(false);
    takeInput();
    await nextTurn();
    takeInput();
    await waitUntil('it may go on', () => reader.drains > 0);
    expect(session.write(Buffer.alloc(1000))).toBe(true);
  });

  it('is there for those who are attached when its history cannot be written', async () => {
    const blocked = join(temporaryDirectory(), 'file');
    writeFileSync(blocked, '');
    const { attach, start } = house({ directory: join(blocked, 'console') });
    const port = await start();
    const { reader } = attach();
    port.print('still here');
    await reader.until('still here');
  });

  it('is one of a registered guest', () => {
    const { attach } = house();
    expect(failureOf(() => attach()).code).toBe('NO_SUCH_GUEST');
  });
});

describe('the consoles of guests', () => {
  it('are found by path and by name', async () => {
    const { consoles, records } = house();
    await records.setStatus(path, 'DOWN');
    expect([consoles.find('guest'), consoles.find(path), consoles.find(`${path}/`)]).toEqual([path, path, path]);
    expect(failureOf(() => consoles.find('other')).code).toBe('NO_SUCH_GUEST');
    expect(failureOf(() => consoles.find('/OVS/running_pool/other')).code).toBe('NO_SUCH_GUEST');
    expect(failureOf(() => consoles.find('/etc/passwd')).code).toBe('BAD_VALUE');
  });

  it('of namesakes are kept apart', async () => {
    const { consoles, directory, driver, records } = house();
    const namesake = parseGuestPath('/var/ovs/mount/0123456789ABCDEF0123456789ABCDEF/running_pool/guest');
    for (const guest of [path, namesake]) {
      await records.setStatus(guest, 'RUNNING');
      await driver.start({ path: guest, config: demoConfig('guest') });
      consoles.follow(guest);
      const reader = new Reader();
      const session = consoles.attach(
        guest,
        { mode: 'interactive', takeOver: false, historyBytes: 0, who: 'me' },
        reader,
      );
      await waitUntil('it answers', () => {
        session.write(Buffer.from('x'));
        return reader.text !== '';
      });
    }
    expect(readdirSync(directory).sort()).toEqual([
      expect.stringMatching(/^guest-[0-9a-f]{8}\.log$/),
      expect.stringMatching(/^guest-[0-9a-f]{8}\.log$/),
    ]);
  });

  it('survive the agent: the next one has the history and reads on', async () => {
    const { attach, consoles, directory, machine, start } = house();
    const port = await start();
    const { reader } = attach();
    port.print('before\n');
    await reader.until('before\n');
    await consoles.close();
    expect(reader.state).toBe('aborted');
    await waitUntil('the port is free', () => !port.hasClient);
    expect(failureOf(() => attach()).code).toBe('STOPPING');

    const next = house({ machine, directory });
    await next.records.setStatus(path, 'RUNNING');
    next.consoles.follow(path);
    await waitUntil('the console is read', () => port.hasClient);
    port.print('after\n');
    const second = next.attach();
    await second.reader.until('after\n');
    expect(second.reader.text).toBe('before\nafter\n');
  });

  it('of a guest that was forgotten end with a notice; of a deleted one the history goes too', async () => {
    const { attach, consoles, directory, machine, start } = house();
    (await start()).print('secret\n');
    const { reader } = attach();
    await reader.until('secret\n');
    machine.remove(path, 'it was destroyed');
    await reader.until(DOWN);
    consoles.forget(path, 'guest unregistered', false);
    expect(reader).toMatchObject({ state: 'ended' });
    expect(reader.text).toMatch(/\r\n\[console closed: guest unregistered\]\r\n$/);
    expect(readdirSync(directory)).toHaveLength(1);
    consoles.forget(path, 'guest deleted', true);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('are tried again at growing intervals for as long as their port cannot be reached', async () => {
    const clock = new ManualClock();
    const { records } = house();
    const attempts: number[] = [];
    const consoles = new GuestConsoles({
      driver: {
        onEvent: () => undefined,
        openSerial: () => {
          attempts.push(clock.monotonic());
          return Promise.reject(new AgentError('HOST', 'open: it cannot be reached'));
        },
      },
      records,
      directory: temporaryDirectory(),
      historyBytes: 1000,
      clock,
      log: silentLog,
    });
    consoles.follow(path);
    await nextTurn();
    await clock.advance(5_000);
    expect(attempts).toEqual([0, 20, 60, 140, 300, 620, 1260, 2260, 3260, 4260]);
    // A start does not wait for its turn.
    consoles.follow(path);
    await nextTurn();
    expect(attempts).toHaveLength(11);
    await consoles.close();
    expect(clock.waiting).toBe(0);
  });
});
