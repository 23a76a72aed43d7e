import { AgentError } from '../errors.ts';
import { quote } from '../model/guest-path.ts';

/**
 * Why an archive is not unpacked.
 * @param what what is so, and after a semicolon what is needed
 * @param name the entry that it is about, as the archive has it
 */
export function refusal(what: string, name?: string): AgentError {
  return new AgentError('BAD_VALUE', `unpack ${name === undefined ? 'the archive' : quote(name)}: ${what}`);
}
