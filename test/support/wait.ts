import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until a condition holds, looking often; fails with what was waited for. */
export async function waitUntil(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
  lookMs = 20,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await sleep(lookMs);
  }
}
