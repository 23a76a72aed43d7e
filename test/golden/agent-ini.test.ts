import { describe, expect, it } from 'vitest';
import { documentedSettings } from '../../src/config/declarations.ts';
import { parseSettings } from '../../src/config/settings.ts';
import { expectGolden } from '../support/golden.ts';

const text = documentedSettings();

/** The comment right above each key. */
const comments = text
  .split('\n\n')
  .map(block => block.split('\n').filter(line => line !== ''))
  .filter(lines => lines.some(line => /^\w+=/.test(line)))
  .map(lines => lines.slice(0, -1));

describe('the shipped settings file', () => {
  it('in etc/agent.ini is that of the declarations', () => {
    expectGolden('etc/agent.ini', text);
  });

  it('says what holds without any file', () => {
    const { origins: written, ...values } = parseSettings(text, 'agent.ini');
    const { origins: defaults, ...standard } = parseSettings('', 'agent.ini');
    expect(values).toEqual(standard);
    expect(written.every(({ source }) => source !== undefined)).toBe(true);
    expect(written.map(origin => origin.text)).toEqual(defaults.map(origin => origin.text));
  });

  it('explains every key in one to three lines that fit a terminal', () => {
    expect(comments).toHaveLength(parseSettings('', 'agent.ini').origins.length);
    for (const lines of comments) {
      expect(lines.length).toBeGreaterThanOrEqual(1);
      expect(lines.length).toBeLessThanOrEqual(3);
      for (const line of lines) expect(line).toMatch(/^; .{1,118}$/);
    }
  });
});
