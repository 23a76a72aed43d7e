import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const directory = fileURLToPath(new URL('../../var/demo-guest/', import.meta.url));

/** Kernel and ramdisk of the demo guest. */
export const demoGuest = { kernel: `${directory}vmlinuz`, ramdisk: `${directory}initramfs.img` } as const;

/** Fails where the guest was not built: a test with real guests never passes without one. */
export function requireDemoGuest(): void {
  if (!existsSync(demoGuest.kernel)) throw new Error('there is no demo guest; "npm run demo-guest" builds it');
}
