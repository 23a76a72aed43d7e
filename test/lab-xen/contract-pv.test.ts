import { driverContract } from '../contract/driver-contract.ts';
import { traitsOfXen, xenHarness } from './xen-harness.ts';

driverContract('Xen (pv)', () => xenHarness('pv'), traitsOfXen);
