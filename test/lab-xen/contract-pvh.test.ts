import { driverContract } from '../contract/driver-contract.ts';
import { traitsOfXen, xenHarness } from './xen-harness.ts';

driverContract('Xen (pvh)', () => xenHarness('pvh'), traitsOfXen);
