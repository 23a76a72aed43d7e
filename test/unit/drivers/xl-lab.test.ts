import { describe, expect, it } from 'vitest';
import { failureOf, parseDomainList, parseInfo } from '../../../src/drivers/xen/xl-output.ts';
import { labRecordings } from '../../support/xl-recordings.ts';

it('Xen 4.17 was recorded', () => {
  expect([...labRecordings.keys()]).toContain('4.17.7');
});

describe.each([...labRecordings])('what xl of Xen %s says to the commands of the agent', (version, recordings) => {
  const found = (name: string): (typeof recordings)[number] => {
    const recording = recordings.find(other => other.name.slice(4) === name);
    if (!recording) throw new Error(`${name} was not recorded`);
    return recording;
  };
  const said = (name: string): string => failureOf(found(name).stderr);

  it('its own version, and what it can', () => {
    expect(parseInfo(found('info').stdout)).toMatchObject({
      version,
      hasHardwareGuests: true,
      hasFixedOwnMemory: true,
      hasShadowPaging: false,
    });
  });

  it.each([
    ['list-own', []],
    ['list-running', [{ name: 'off', isPaused: false, shutdown: undefined, memoryMib: 96 }]],
    ['list-paused', [{ name: 'off', isPaused: true, shutdown: undefined }]],
    ['list-paused-once-more', [{ name: 'off', isPaused: true, shutdown: undefined }]],
    ['list-unpaused', [{ name: 'off', isPaused: false, shutdown: undefined }]],
    ['list-suspended', [{ name: 'off', isPaused: true, shutdown: undefined }]],
    ['list-powered-off', [{ name: 'off', isPaused: false, shutdown: 'poweroff', memoryMib: 80 }]],
    ['list-restored', [{ name: 'off', isPaused: true, shutdown: undefined }]],
    ['list-rebooted', [{ name: 'again', isPaused: false, shutdown: 'reboot' }]],
    ['list-crashed', [{ name: 'broken', isPaused: false, shutdown: 'crash' }]],
    ['list-migrated', [{ name: 'plug', isPaused: false, shutdown: undefined }]],
    ['list-at-the-end', []],
  ])('%s', (name, domains) => {
    const rows = parseDomainList(found(name).stdout);
    expect(rows).toMatchObject([{ id: 0, name: 'Domain-0', shutdown: undefined }, ...domains]);
  });

  it('nothing of what went well is a failure, but for words of its devices', () => {
    for (const { command, exit, stderr } of recordings.filter(recording => recording.exit === 0)) {
      if (command.startsWith('xl migrate')) expect(failureOf(stderr)).toMatch(/^(?:Device present in JSON.*)?$/);
      else expect(failureOf(stderr), command).toBe('');
      expect(exit).toBe(0);
    }
  });

  it('every failure has its reason, and no place in a source of Xen', () => {
    const failed = recordings.filter(({ exit }) => exit !== 0);
    expect(failed.length).toBeGreaterThan(15);
    for (const { command, stderr } of failed) {
      const reason = failureOf(stderr);
      // Where xl is given no transport that lives it says nothing of its own.
      if (!command.includes('migrate')) expect(reason, command).not.toBe('');
      expect(reason, command).not.toMatch(/\.c:\d+|libxl: |Internal error|\n/);
    }
  });

  it.each([
    ['create-nokernel', /missing.*No such file or directory/],
    ['create-wrongkernel', /no loader found/],
    ['create-large', /can't allocate low memory for domain/],
    ['create-nodisk', /missing\.img/],
    ['create-nobridge', /Could not find bridge device nobridge/],
    ['restore-rubbish', /magic number/],
    ['restore-nothing', /truncated/],
    ['save-nowhere', /Failed to open/],
    ['migrate-without-shadow', /logdirty/],
    ['destroy-missing', /invalid domain identifier/],
    ['block-detach-missing', /does not exist/],
  ])('%s, in words that help', (name, words) => {
    expect(said(name)).toMatch(words);
  });
});
