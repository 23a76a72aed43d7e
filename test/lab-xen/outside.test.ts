import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/daemon.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { labAddress } from './lab-address.ts';

describe('the agent in the Xen lab, from outside', () => {
  const { url, password } = labAddress();

  function doRpc(asPassword: string, ...args: readonly string[]) {
    return runProgram('do_rpc', ['--accept-new', url, ...args], {
      env: { HOME: temporaryDirectory(), OVS_AGENT_PASSWORD: asPassword },
    });
  }

  it('do_rpc … echo hello, over HTTPS', () => {
    expect(url).toMatch(/^https:/);
    expect(doRpc(password, 'echo', 'hello')).toMatchObject({
      exitCode: 0,
      stdout: "echo ['hello']\n=> success:echo=hello\n",
    });
  });

  it('lets nobody in with another password', () => {
    const refused = doRpc(`not ${password}`, 'echo', 'hello');
    expect(refused).toMatchObject({ exitCode: 1, stdout: "echo ['hello']\n" });
    expect(refused.stderr).toContain('the agent refused the user or the password');
  });
});
