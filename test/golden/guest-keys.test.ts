import { describe, it } from 'vitest';
import { documentedKeys } from '../../src/vmcfg/known-keys.ts';
import { expectGolden } from '../support/golden.ts';

describe('the keys of guest files', () => {
  it('are documented in docs/guest-files.md as they are declared', () => {
    expectGolden('docs/guest-files.md', documentedKeys());
  });
});
