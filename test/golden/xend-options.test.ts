import { describe, it } from 'vitest';
import { documentedXendOptions } from '../../src/config/xend-options.ts';
import { expectGolden } from '../support/golden.ts';

describe('the options of xend', () => {
  it('are documented in docs/xend-config.md as they are declared', () => {
    expectGolden('docs/xend-config.md', documentedXendOptions());
  });
});
