import type { HelperRequest } from './files/helper-protocol.ts';
import { answerRequest } from './files/serve-requests.ts';

/** Works on the files of one repository for the agent, so that the agent never waits for its disk. It ends with the agent. */
process.umask(0o077);
process.on('message', request => process.send!(answerRequest(request as HelperRequest)));
process.on('disconnect', () => process.exit());
