import { describe, expect, it } from 'vitest';
import { allMethods } from '../../../src/methods/all.ts';
import type { Job } from '../../../src/operations/job-record.ts';
import type { Jobs } from '../../../src/operations/jobs.ts';
import { StandAloneRouter } from '../../../src/roles/route.ts';
import type { Access, Call } from '../../../src/rpc/call.ts';
import { Dispatcher } from '../../../src/rpc/dispatch.ts';
import { JobCalls } from '../../../src/rpc/job-calls.ts';
import { Registry } from '../../../src/rpc/registry.ts';
import type { Services } from '../../../src/rpc/services.ts';
import type { XmlRpcValue } from '../../../src/xmlrpc/values.ts';
import { silentLog } from '../../support/silent-log.ts';

const path = '/OVS/running_pool/guest';

/** Takes calls as jobs, and keeps what was asked for. */
function submitting(access: Access = 'admin'): (method: string, ...args: XmlRpcValue[]) => Promise<unknown> {
  const registry = new Registry(allMethods);
  const dispatcher = new Dispatcher({
    registry,
    router: new StandAloneRouter(() => []),
    services: () => ({}) as Services,
    attend: () => Promise.reject(new Error('nothing is called')),
    log: silentLog,
    audit: silentLog,
    events: { emit: () => undefined },
  });
  const calls = new JobCalls({ registry, dispatcher: () => dispatcher, log: silentLog, statusOf: () => 'RUNNING' });
  const jobs = { submit: (request: unknown) => Promise.resolve(request as Job) } as unknown as Jobs;
  const call: Call = { id: '1', user: 'u', access, from: 'x', log: silentLog };
  return (method, ...args) => Promise.resolve().then(() => calls.submit(jobs, call, method, args, undefined));
}

describe('a call as a job', () => {
  it('is taken with who wants it, what, and about which guest', async () => {
    expect(await submitting('operate')('suspend_vm', path)).toEqual({
      method: 'suspend_vm',
      arguments: [path],
      user: 'u',
      access: 'operate',
      guest: path,
    });
  });

  it.each<[string, XmlRpcValue[], string]>([
    ['list_vms', [], 'BAD_VALUE'],
    ['submit_job', ['echo', []], 'BAD_VALUE'],
    ['no_such_method', [], 'NO_SUCH_METHOD'],
    ['suspend_vm', [], 'WRONG_PARAMETERS'],
    ['suspend_vm', ['/etc/passwd'], 'BAD_VALUE'],
    ['update_agent_password', ['admin', 'old', 'new'], 'NOT_SUPPORTED'],
    ['xen_set_vm_vnc_password', [path, 'geheim'], 'NOT_SUPPORTED'],
    ['set_vm_config', [path, { vncpasswd: 'geheim' }], 'NOT_SUPPORTED'],
    ['start_vm', [path, '', { vncpasswd: 'geheim' }], 'NOT_SUPPORTED'],
  ])('%s(%j) is refused with %s before anything is written down', async (method, args, code) => {
    await expect(submitting()(method, ...args)).rejects.toMatchObject({ code });
  });

  it('of a method that takes a password only where one is given may be one without it', async () => {
    expect(await submitting()('start_vm', path, '', '')).toMatchObject({ method: 'start_vm' });
  });

  it('needs the access that its method needs', async () => {
    await expect(submitting('operate')('delete_vm', path)).rejects.toMatchObject({ code: 'DENIED' });
    await expect(submitting('read')('suspend_vm', path)).rejects.toMatchObject({ code: 'DENIED' });
  });
});
