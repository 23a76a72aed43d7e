import { ensureCertificate } from '../../src/wire/certificate.ts';
import type { Identity } from './file-server.ts';
import { ManualClock } from './manual-clock.ts';
import { temporaryDirectory } from './temporary.ts';

/** A key, and a certificate that nobody signed but itself. */
export async function selfSigned(addresses: readonly string[]): Promise<Identity> {
  const { certificate, key } = await ensureCertificate({
    directory: temporaryDirectory(),
    names: ['files.example.com'],
    addresses,
    keyBits: 2048,
    validDays: 2,
    renewDays: 1,
    // The real time, because those who check a certificate have that one.
    clock: new ManualClock(Date.now()),
  });
  return { key, certificate };
}
