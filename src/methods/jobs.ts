import type { Job } from '../operations/job-record.ts';
import { defineMethod } from '../rpc/method.ts';
import { integer, list, matching, optional, text } from '../rpc/params.ts';
import { pairs, record } from '../rpc/results.ts';
import { methodNamePattern, type XmlRpcStruct } from '../xmlrpc/values.ts';

const area = 'Jobs';
const id = matching(
  'Id of the job',
  '0b6f4c1e-7f6e-4c54-9b43-0d9f3b0f6a51',
  /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  'the id of a job; see list_jobs',
);
const exampleJob = {
  id: '0b6f4c1e-7f6e-4c54-9b43-0d9f3b0f6a51',
  method: 'suspend_vm',
  arguments: ['/OVS/running_pool/guest'],
  user: 'admin',
  guest: '/OVS/running_pool/guest',
  state: 'running',
  progress: 42.5,
  step: 'writes its memory',
  bytes_per_second: 183_500_800,
  seconds_left: 12,
  created_at: '2026-01-01T00:00:00.000Z',
};
const jobForm =
  'id, method, arguments, user, state (waiting, running, cancelling, done, failed, cancelled), progress (0 to 100), ' +
  'created_at, and guest, step, bytes_per_second, seconds_left, started_at, ended_at, reply, error where known';

/** Most seconds that a caller may wait in one call. */
const LONGEST_WAIT_S = 3600;

export const jobMethods = [
  defineMethod({
    name: 'submit_job',
    area,
    summary:
      'Make a call as a job: it is answered at once, goes on when the caller has gone, and is ended by the next agent when ' +
      'this one is killed. With a key the same call is made once, however often it is submitted.',
    access: 'operate',
    runsOn: 'this-server',
    params: {
      method: matching('Name of the method', 'suspend_vm', methodNamePattern, 'the name of a method'),
      arguments: list('Its arguments', ['/OVS/running_pool/guest']),
      key: optional(text("Key of the caller's choice, such as a UUID", { longest: 255, example: 'key' })),
    },
    returns: pairs({ job: 'id of the job' }),
    errors: ['BAD_VALUE', 'DENIED', 'BUSY', 'NOT_SUPPORTED', 'PEER_DOWN', 'STORE'],
    run: async ({ jobCalls, jobs }, { method, arguments: args, key }, call) => ({
      job: (await jobCalls.submit(jobs, call, method, args, key)).id,
    }),
  }),
  defineMethod({
    name: 'list_jobs',
    area,
    summary: 'List the jobs that wait, run, or have ended, the oldest first.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record(`an array of structs: ${jobForm}`, 'array', [exampleJob]),
    errors: ['STORE'],
    run: ({ jobs }) => jobs.list().map(structOf),
  }),
  defineMethod({
    name: 'get_job',
    area,
    summary: 'Tell how a job is doing.',
    access: 'read',
    runsOn: 'this-server',
    params: { job: id },
    returns: record(`a struct: ${jobForm}`, 'struct', exampleJob),
    errors: ['NO_SUCH_RECORD'],
    run: ({ jobs }, { job }) => structOf(jobs.get(job)),
  }),
  defineMethod({
    name: 'wait_job',
    area,
    summary: 'Wait until a job has ended, but no longer than that, and tell how it is doing.',
    access: 'read',
    runsOn: 'this-server',
    params: { job: id, seconds: integer('Most seconds to wait', 0, LONGEST_WAIT_S) },
    returns: record(`a struct: ${jobForm}`, 'struct', exampleJob),
    errors: ['NO_SUCH_RECORD'],
    run: async ({ jobs }, { job, seconds }) => structOf(await jobs.wait(job, seconds * 1000)),
  }),
  defineMethod({
    name: 'cancel_job',
    area,
    summary: 'Ask a job to end: what it has done is taken back. It is cancelled once its state says so.',
    access: 'operate',
    runsOn: 'this-server',
    params: { job: id },
    returns: pairs({ state: 'cancelled, or cancelling while it takes back what it has done' }),
    errors: ['NO_SUCH_RECORD', 'WRONG_STATE'],
    run: async ({ jobs }, { job }) => ({ state: (await jobs.cancel(job)).state }),
  }),
];

function structOf(job: Job): XmlRpcStruct {
  const {
    createdAt,
    endedAt,
    error,
    guest,
    id: jobId,
    method,
    pace,
    percent,
    reply,
    startedAt,
    state,
    step,
    user,
  } = job;
  const all = {
    id: jobId,
    method,
    arguments: withoutNil(job.arguments),
    user,
    guest,
    state,
    step,
    bytes_per_second: pace.bytesPerSecond,
    seconds_left: pace.secondsLeft,
    reply,
    error,
    progress: Math.round(percent * 10) / 10,
    created_at: createdAt,
    started_at: startedAt,
    ended_at: endedAt,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as XmlRpcStruct;
}

/** Old clients know no nil: an empty text is what they write for it. */
function withoutNil(value: unknown): unknown {
  if (value === null) return '';
  if (Array.isArray(value)) return value.map(withoutNil);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutNil(member)]));
}
