import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    // These want the Xen lab: npm run lab:xen.
    exclude: ['test/lab-xen/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
