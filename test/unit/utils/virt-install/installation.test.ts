import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../../src/errors.ts';
import { parseGuestPath } from '../../../../src/model/guest-path.ts';
import { awaitInstallation, type InstallAgent, makeGuest } from '../../../../utils/virt-install/installation.ts';
import { TransportError } from '../../../../utils/rpc-client.ts';
import { parseNewGuest } from '../../../../src/model/new-guest.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { waitUntil } from '../../../support/wait.ts';

const path = parseGuestPath('/OVS/running_pool/web');
const never = new AbortController().signal;
const guest = parseNewGuest({
  type: 'hvm',
  memory: 64,
  vcpus: 1,
  disks: [],
  vifs: [],
  display: { type: 'none' },
  install: { from: 'network' },
});

/** An agent whose guest is in these statuses, one after the other. */
function agentWith(...statuses: readonly string[]): InstallAgent & { readonly acts: string[] } {
  const left = [...statuses];
  const acts: string[] = [];
  return {
    acts,
    guests() {
      const status = left.length > 1 ? left.shift()! : left[0];
      return Promise.resolve(status === undefined ? [] : [{ path, name: 'web', status }]);
    },
    act: (method: string) => Promise.resolve(void acts.push(method)).then(() => 'success'),
    ask: () => Promise.reject(new Error('nothing is asked')),
  };
}

describe('the end of an installation', () => {
  it('is not waited for without a time', async () => {
    const clock = new ManualClock();
    const options = { minutes: undefined, restarts: true, signal: never };
    expect(await awaitInstallation(agentWith('RUNNING'), path, options, clock)).toContain('still in progress');
    expect(clock.waiting).toBe(0);
  });

  it('is waited for as long as was said, and no longer', async () => {
    const clock = new ManualClock();
    const options = { minutes: 1, restarts: true, signal: never };
    let said: string | undefined;
    const waiting = awaitInstallation(agentWith('RUNNING'), path, options, clock).then(text => (said = text));
    for (let second = 0; second < 59; second += 1) {
      await waitUntil('it waits', () => clock.waiting > 0);
      expect(said).toBeUndefined();
      await clock.advance(1000);
    }
    await waitUntil('it waits', () => clock.waiting > 0);
    await clock.advance(1000);
    expect(await waiting).toContain('still in progress');
  });

  it('ends the waiting where the user does, and leaves the guest running', async () => {
    const user = new AbortController();
    const agent = agentWith('RUNNING');
    const waiting = awaitInstallation(
      agent,
      path,
      { minutes: -1, restarts: true, signal: user.signal },
      new ManualClock(),
    );
    user.abort();
    expect(await waiting).toContain('still in progress');
    expect(agent.acts).toEqual([]);
  });

  it.each([
    ['ERROR', 'WRONG_STATE', 'its domain failed'],
    [undefined, 'NO_SUCH_GUEST', 'somebody has removed the guest'],
  ])('is a failure where the guest is %s', async (status, code, sentence) => {
    const agent = agentWith(...(status === undefined ? [] : [status]));
    const options = { minutes: -1, restarts: true, signal: never };
    await expect(awaitInstallation(agent, path, options, new ManualClock())).rejects.toMatchObject({
      code,
      message: expect.stringContaining(sentence) as string,
    });
    expect(agent.acts).toEqual([]);
  });
});

describe('the job that makes a guest', () => {
  const screen = { show: () => Promise.resolve(), tell: () => undefined };

  it('is one that has ended where it ended before it could be cancelled', async () => {
    const agent: InstallAgent = {
      ...agentWith(),
      act: method =>
        method === 'submit_job'
          ? Promise.resolve('success:job=17')
          : Promise.reject(new AgentError('WRONG_STATE', 'the job has ended')),
      ask: () => Promise.resolve({ id: '17', state: 'done' }),
    };
    expect(await makeGuest(agent, path, guest, screen, AbortSignal.abort())).toBe('17');
  });

  it('is not submitted again where no agent runs, or the agent refuses it', async () => {
    for (const code of ['PEER_DOWN', 'BAD_VALUE', 'BUSY'] as const) {
      const refusal = new AgentError(code, 'no');
      let submitted = 0;
      const agent: InstallAgent = {
        ...agentWith(),
        act() {
          submitted += 1;
          return Promise.reject(refusal);
        },
      };
      await expect(makeGuest(agent, path, guest, screen, never, new ManualClock())).rejects.toBe(refusal);
      expect(submitted).toBe(1);
    }
  });

  it('is given up where the agent does not come back', async () => {
    const clock = new ManualClock();
    const agent: InstallAgent = {
      ...agentWith(),
      act: () => Promise.reject(new TransportError('the connection was cut', undefined)),
    };
    const refused = expect(makeGuest(agent, path, guest, screen, never, clock)).rejects.toThrow(
      'the connection was cut',
    );
    for (let attempt = 1; attempt < 30; attempt += 1) {
      await waitUntil('it waits', () => clock.waiting > 0);
      await clock.advance(1000);
    }
    await refused;
  });
});
