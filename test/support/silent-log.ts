import { createLog } from '../../src/host/log.ts';

/** A log that nobody reads. */
export const silentLog = createLog('error', [{ write: () => undefined }]);
