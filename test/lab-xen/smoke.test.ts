import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryDirectory } from '../support/temporary.ts';
import { waitUntil } from '../support/wait.ts';

/** Runs `xl` of dom0 to its end; a failure names what it printed. */
function xl(...args: readonly string[]): string {
  const { error, status, stdout, stderr } = spawnSync('xl', args, { encoding: 'utf8', timeout: 120_000 });
  if (error) throw error;
  if (status !== 0) throw new Error(`xl ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

function namesOfDomains(): string[] {
  return xl('list')
    .trim()
    .split('\n')
    .slice(1)
    .map(line => line.split(/\s+/)[0]!);
}

describe('the Xen lab, from dom0', () => {
  it('is a real dom0', () => {
    expect(namesOfDomains()).toContain('Domain-0');
  });

  it('loads the compiled module', () => {
    const database = new Database(':memory:');
    expect(database.prepare('SELECT 6 * 7 AS answer').get()).toEqual({ answer: 42 });
    database.close();
  });

  it('runs a paravirtual guest', async () => {
    const name = `smoke-${process.pid}`;
    const configuration = join(temporaryDirectory(), `${name}.cfg`);
    const log = `/var/log/xen/console/guest-${name}.log`;
    writeFileSync(
      configuration,
      [
        `name = "${name}"`,
        'type = "pv"',
        'memory = 96',
        'kernel = "/srv/xen/vmlinux"',
        'ramdisk = "/srv/xen/guest.img"',
        'extra = "console=hvc0 mitigations=off quiet"',
      ].join('\n'),
    );
    onTestFinished(() => {
      if (namesOfDomains().includes(name)) xl('destroy', name);
      rmSync(log, { force: true });
    });

    xl('create', configuration);
    expect(namesOfDomains()).toContain(name);
    const printed = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');
    await waitUntil(`${name} prints GUEST-UP`, () => printed().includes('GUEST-UP'), 120_000, 200);
    xl('destroy', name);
    expect(namesOfDomains()).not.toContain(name);
  });
});
