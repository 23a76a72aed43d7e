import { defineMethod } from '../rpc/method.ts';
import { list, text } from '../rpc/params.ts';
import { record } from '../rpc/results.ts';

const area = 'Introspection';
const methodName = text('Name of the method', { longest: 255, example: 'echo' });

export const systemMethods = [
  defineMethod({
    name: 'system.listMethods',
    area,
    summary: 'List the names of all methods.',
    access: 'read',
    runsOn: 'this-server',
    params: {},
    returns: record('an array of names', 'array', ['echo']),
    errors: [],
    run: ({ introspection }) => introspection.listMethods(),
  }),
  defineMethod({
    name: 'system.methodSignature',
    area,
    summary:
      'List the signatures of a method: for each number of arguments it takes, the type of the reply and theirs.',
    access: 'read',
    runsOn: 'this-server',
    params: { name: methodName },
    returns: record('an array of signatures', 'array', [['string', 'string']]),
    errors: ['NO_SUCH_METHOD'],
    run: ({ introspection }, { name }) => introspection.methodSignature(name),
  }),
  defineMethod({
    name: 'system.methodHelp',
    area,
    summary: 'Describe a method in plain text.',
    access: 'read',
    runsOn: 'this-server',
    params: { name: methodName },
    returns: record('the text', 'string', 'echo(msg)'),
    errors: ['NO_SUCH_METHOD'],
    run: ({ introspection }, { name }) => introspection.methodHelp(name),
  }),
  defineMethod({
    name: 'system.multicall',
    area,
    summary:
      'Make several calls in one request, one after the other. A call that fails does not keep the others from being made.',
    access: 'read',
    runsOn: 'this-server',
    params: {
      calls: list('Structs of methodName (string) and params (array)', [{ methodName: 'echo', params: ['hello'] }]),
    },
    returns: record(
      'an array: for each call an array of its one reply, or a struct of faultCode and faultString',
      'array',
      [['success:echo=hello']],
    ),
    errors: ['WRONG_PARAMETERS'],
    run: ({ introspection }, { calls }, call) => introspection.multicall(call, calls),
  }),
];
