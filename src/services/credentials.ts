import type { Caller } from './caller.ts';

/** The users of the agent. */
export interface Credentials {
  /**
   * Changes a user's password; the new one holds at once, for calls and connections that are open too.
   * @throws AgentError DENIED when the old password is wrong, BAD_VALUE when the new one cannot be used
   */
  update(caller: Caller, user: string, oldPassword: string, newPassword: string): Promise<void>;
}
