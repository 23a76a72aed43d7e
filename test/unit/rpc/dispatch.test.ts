import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../src/errors.ts';
import { allMethods } from '../../../src/methods/all.ts';
import { StandAloneRouter } from '../../../src/roles/route.ts';
import type { Access, Call } from '../../../src/rpc/call.ts';
import { Dispatcher } from '../../../src/rpc/dispatch.ts';
import { Introspection } from '../../../src/rpc/introspection.ts';
import { defineMethod } from '../../../src/rpc/method.ts';
import { integer, ipAddress, optional, text } from '../../../src/rpc/params.ts';
import { Registry } from '../../../src/rpc/registry.ts';
import { nothing, pairs } from '../../../src/rpc/results.ts';
import type { Services } from '../../../src/rpc/services.ts';
import { createLog } from '../../../src/host/log.ts';
import type { XmlRpcValue } from '../../../src/xmlrpc/values.ts';
import type { NewEvent } from '../../../src/services/event-log.ts';
import { silentLog } from '../../support/silent-log.ts';

const common = { area: 'Test', runsOn: 'this-server', summary: 'A test.', errors: [] } as const;

const methods = [
  defineMethod({
    ...common,
    name: 'add',
    access: 'read',
    params: { left: integer('One', 0, 10), right: optional(integer('Other', 0, 10)) },
    returns: pairs({ sum: 'the sum' }),
    run: (_services, { left, right }) => ({ sum: left + (right ?? 0) }),
  }),
  defineMethod({
    ...common,
    name: 'act',
    onHost: 'host_act',
    access: 'operate',
    server: 'server',
    params: { vm_path: text('A'), server: optional(ipAddress('B')) },
    returns: nothing(),
    run: async () => {
      await Promise.resolve();
    },
  }),
  defineMethod({
    ...common,
    name: 'fail',
    access: 'admin',
    params: { how: text('How') },
    returns: nothing(),
    run: async (_services, { how }) => {
      await Promise.resolve();
      if (how === 'known') throw new AgentError('WRONG_STATE', 'start /x: a great success it was not; it needs DOWN');
      throw new Error('secret of the inside');
    },
  }),
];

function dispatcher(): {
  readonly call: (method: string, ...params: XmlRpcValue[]) => Promise<XmlRpcValue>;
  readonly as: (access: Access) => void;
  lines: string[];
  events: NewEvent[];
  dispatcher: Dispatcher;
} {
  const lines: string[] = [];
  const events: NewEvent[] = [];
  const audit = createLog('info', [{ write: line => lines.push(line) }]);
  const registry = new Registry(methods);
  const made: Dispatcher = new Dispatcher({
    registry,
    router: new StandAloneRouter(() => ['10.0.0.1']),
    services: () => services,
    attend: (_request, work) => work({ job: 'job', signal: new AbortController().signal, report: () => undefined }),
    log: silentLog,
    audit,
    events: { emit: event => events.push(event) },
  });
  const services = { introspection: new Introspection(registry, made) } as unknown as Services;
  let access: Access = 'admin';
  return {
    lines,
    events,
    dispatcher: made,
    as(now) {
      access = now;
    },
    async call(method, ...params) {
      const call: Call = { id: '1', user: 'u', access, from: '127.0.0.1', log: silentLog };
      return made.dispatch(call, method, params);
    },
  };
}

describe('a call', () => {
  it('of a method that needs nothing to be waited for is answered at once, without a promise', () => {
    const { dispatcher: made } = dispatcher();
    const call: Call = { id: '1', user: 'u', access: 'read', from: 'x', log: silentLog };
    expect(made.dispatch(call, 'add', [1, 2])).toBe('success:sum=3');
  });

  it('may leave out optional arguments, also by an empty text or nil', async () => {
    const { call } = dispatcher();
    expect([await call('add', 1), await call('add', 1, ''), await call('add', 1, null)]).toEqual(
      Array(3).fill('success:sum=1'),
    );
  });

  it('reaches a method under the name of its host form', async () => {
    expect(await dispatcher().call('host_act', 'x')).toBe('success');
  });

  it.each<[string, XmlRpcValue[], RegExp]>([
    ['nothing', [], /^method "nothing" is not supported$/],
    ['constructor', [], /^method "constructor" is not supported$/],
    ['add', [], /^add\(left, right\) takes 1 to 2 arguments, not 0$/],
    ['add', [1, 2, 3], /takes 1 to 2 arguments, not 3$/],
    ['add', ['x'], /^argument left: it must be a whole number, not a string$/],
    ['add', [[1]], /not an array$/],
    ['act', [{ a: 1 }], /^argument vm_path: it must be a string, not a struct$/],
  ])('%s(%j) is answered with a fault', async (method, params, message) => {
    await expect(dispatcher().call(method, ...params)).rejects.toThrow(message);
  });

  it('with a value out of range is a failure of the method, not of the call', async () => {
    expect(await dispatcher().call('add', 11)).toBe('failed:BAD_VALUE: argument left: 11 is outside 0 to 10');
  });

  it('that fails never holds the word by which old clients know that it did not', async () => {
    const reply = await dispatcher().call('fail', 'known');
    expect(reply).toBe('failed:WRONG_STATE: start /x: a great suc-cess it was not; it needs DOWN');
  });

  it('that breaks the agent inside tells the caller nothing of it', async () => {
    await expect(dispatcher().call('fail', 'unknown')).rejects.toThrow(
      /^the agent failed inside; look up the call in its log$/,
    );
  });

  it.each([
    ['read', 'add', true],
    ['read', 'act', false],
    ['operate', 'act', true],
    ['operate', 'fail', false],
    ['admin', 'add', true],
  ] as const)('by a user with access %s to %s: %s', async (access, method, allowed) => {
    const { as, call } = dispatcher();
    as(access);
    const reply = await call(method, ...(method === 'add' ? [1] : ['known']));
    expect(typeof reply === 'string' && reply.startsWith('failed:DENIED')).toBe(!allowed);
  });

  it('for another server is refused, for this one it runs', async () => {
    const { call } = dispatcher();
    expect(await call('act', 'x', '10.0.0.1')).toBe('success');
    expect(await call('act', 'x', '10.0.0.2')).toMatch(
      /^failed:PEER_DOWN: server "10\.0\.0\.2": this server is in no pool with it/,
    );
  });

  it('that is more than a question leaves a line in the audit log, whatever its outcome', async () => {
    const { call, lines } = dispatcher();
    await call('add', 1);
    await call('act', '/OVS/running_pool/g');
    await call('fail', 'known');
    expect(lines.map(line => JSON.parse(line) as Record<string, unknown>)).toMatchObject([
      { method: 'act', user: 'u', from: '127.0.0.1', guest: '/OVS/running_pool/g', outcome: 'done' },
      { method: 'fail', code: 'WRONG_STATE' },
    ]);
  });

  it('is refused once the agent stops', async () => {
    const { call, dispatcher: made } = dispatcher();
    await made.stop();
    expect(await call('add', 1)).toMatch(/^failed:STOPPING: /);
  });
});

describe('every declared method', () => {
  const registry = new Registry(allMethods);

  it.each(registry.names)('%s reads its own examples, and says everything of itself', name => {
    const method = registry.get(name);
    for (const [parameter, param] of Object.entries(method.params)) {
      expect(() => param.parse(param.example, parameter)).not.toThrow();
      expect(param.summary).toMatch(/^[A-Z]/);
    }
    expect(method.summary).toMatch(/^[A-Z].*\.$/);
    expect(method.returns.summary).not.toBe('');
  });

  const hostile = [
    ';sleep 3;',
    '`id`',
    '$(id)',
    'a\nb',
    'a\0b',
    '../../etc/passwd',
    '%2e%2e',
    '//',
    '\ud800',
    '__proto__',
    'x'.repeat(100_000),
  ];

  it.each(registry.names)('%s takes no hostile text for a path, a name or an address', name => {
    const method = registry.get(name);
    for (const [parameter, param] of Object.entries(method.params)) {
      for (const value of hostile) {
        let result: unknown;
        try {
          result = param.parse(value, parameter);
        } catch (error) {
          expect(error).toBeInstanceOf(AgentError);
          continue;
        }
        // A name like any other, where templates and images are named.
        if (value === '__proto__' && ['template', 'iso', 'disk'].includes(parameter)) continue;
        // What is taken is free text, and comes out as it went in.
        expect(result).toBe(value);
        const free = ['msg', 'user', 'old', 'new', 'name', 'database', 'password', 'key', 'method', 'vnc_password'];
        expect([...free, 'description', 'name_label', 'arguments', 'options']).toContain(parameter);
      }
    }
  });
});

describe('the event of a call', () => {
  const facts = { address: '127.0.0.1', call: '1' };

  it('tells who called what for which guest, once it is done', async () => {
    const { call, events } = dispatcher();
    await call('host_act', 'x');
    expect(events).toEqual([
      {
        kind: 'call',
        guest: 'x',
        user: 'u',
        summary: 'u called host_act for x',
        data: { ...facts, method: 'host_act', outcome: 'done' },
      },
    ]);
  });

  it('tells why it failed or was refused, and no argument', async () => {
    const { as, call, events } = dispatcher();
    await call('fail', 'known');
    await expect(call('fail', 'geheim')).rejects.toThrow();
    as('read');
    await call('act', 'x');
    expect(events.map(({ data, guest }) => [data?.['method'], data?.['outcome'], guest])).toEqual([
      ['fail', 'WRONG_STATE', undefined],
      ['fail', 'INTERNAL', undefined],
      ['act', 'DENIED', 'x'],
    ]);
    expect(events[0]?.summary).toMatch(/^u called fail, which failed: start \/x: /);
    expect(JSON.stringify(events)).not.toMatch(/geheim|secret/);
  });

  it('is there for acts only, not for questions and unknown methods', async () => {
    const { call, events } = dispatcher();
    await call('add', 1);
    await call('add', 11);
    await expect(call('nothing')).rejects.toThrow();
    expect(events).toEqual([]);
  });
});

describe('system.multicall', () => {
  it('makes every call and answers each, faults among them', async () => {
    const registry = new Registry(methods);
    const made: Dispatcher = new Dispatcher({
      registry,
      router: new StandAloneRouter(() => []),
      services: () => ({}) as Services,
      attend: () => Promise.reject(new Error('no call of this test takes long')),
      log: silentLog,
      audit: silentLog,
      events: { emit: () => undefined },
    });
    const call: Call = { id: '1', user: 'u', access: 'admin', from: 'x', log: silentLog };
    const answers = await new Introspection(registry, made).multicall(call, [
      { methodName: 'add', params: [1, 2] },
      { methodName: 'nothing', params: [] },
      { methodName: 'system.multicall', params: [] },
      { params: [] },
      'rubbish',
      null,
      { methodName: 'add', params: [3] },
    ]);
    expect(answers).toMatchObject([
      ['success:sum=3'],
      { faultCode: -32601 },
      { faultCode: -32602 },
      { faultCode: -32602 },
      { faultCode: -32602 },
      { faultCode: -32602 },
      ['success:sum=3'],
    ]);
  });

  it('refuses too many', async () => {
    const registry = new Registry(methods);
    const introspection = new Introspection(registry, dispatcher().dispatcher);
    const asker: Call = { id: '1', user: 'u', access: 'admin', from: 'x', log: silentLog };
    await expect(introspection.multicall(asker, Array<XmlRpcValue>(1001).fill('x'))).rejects.toThrow(
      /1001 calls are too many/,
    );
  });
});
