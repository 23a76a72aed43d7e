import { defineConfig } from 'vitest/config';

/** The tests that want the Xen lab: docs/xen-lab.md. `npm run lab:xen` calls them, in dom0 or beside it. */
export default defineConfig({
  // In dom0 the project lies on a file system that is not written to.
  cacheDir: '/tmp/ovs-agent-lab-xen-vite',
  test: {
    root: import.meta.dirname,
    pool: 'forks',
    // Each of them stands in the transcript that is kept.
    reporters: ['verbose'],
    // Guests of all files share the memory of one emulated machine.
    fileParallelism: false,
    include: ['*.test.ts'],
    // The emulated processor fails a guest of its own accord now and then (docs/xen-lab.md); the transcript tells what was tried again.
    retry: 1,
    // The processor is emulated.
    testTimeout: 600_000,
    hookTimeout: 300_000,
  },
});
