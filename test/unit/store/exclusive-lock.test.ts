import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { tryExclusiveLock } from '../../../src/store/exclusive-lock.ts';
import { temporaryDirectory } from '../../support/temporary.ts';
import { waitUntil } from '../../support/wait.ts';

describe('the exclusive lock', () => {
  it('is had by one only, and by the next after its release', () => {
    const file = join(temporaryDirectory(), 'lock');
    const first = tryExclusiveLock(file);
    expect(first).toBeDefined();
    expect(tryExclusiveLock(file)).toBeUndefined();
    first?.release();
    const second = tryExclusiveLock(file);
    expect(second).toBeDefined();
    second?.release();
  });

  it('is free again once the process that had it was killed', async () => {
    const file = join(temporaryDirectory(), 'lock');
    const script = `const D=require('better-sqlite3');const d=new D(${JSON.stringify(file)});d.exec('BEGIN EXCLUSIVE');console.log('held');setInterval(()=>d.open,1000)`;
    const holder = spawn(process.execPath, ['-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      cwd: process.cwd(),
    });
    await once(createInterface({ input: holder.stdout }), 'line');
    expect(tryExclusiveLock(file)).toBeUndefined();
    holder.kill('SIGKILL');
    await waitUntil('the lock is free', () => {
      const lock = tryExclusiveLock(file);
      lock?.release();
      return lock !== undefined;
    });
  });
});
