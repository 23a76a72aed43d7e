#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { isFailure } from '../src/xmlrpc/reply.ts';
import { type AgentUrl, parseAgentUrl } from './agent-url.ts';
import { KnownAgents, TrustingAgent } from './known-agents.ts';
import { EXIT, newProgram, runProgram, withRoot } from './program.ts';
import { pythonForm } from './python-form.ts';
import { askOnce } from './prompter.ts';
import { callAgent, TransportError } from './rpc-client.ts';

interface Options {
  readonly root: string;
  readonly acceptNew?: boolean;
  readonly insecure?: boolean;
  readonly timeout: string;
}

const program = withRoot(newProgram('do_rpc', 'Call a method of an agent and print the reply.'))
  .argument('<url>', 'http[s]://user:password@host:8899; a password left out is taken from OVS_AGENT_PASSWORD')
  .argument('<method>', 'name of the method; system.listMethods lists them')
  .argument('[arguments...]', 'each a text, or int:4, or JSON after json: (json:true, json:{"a":1})')
  .option('--accept-new', 'remember the key of an agent that is not known yet')
  .option('--insecure', "do not check the agent's key")
  .option('--timeout <seconds>', 'longest time to wait for the reply', '900')
  .passThroughOptions()
  .action(run);

await runProgram(program);

async function run(urlText: string, method: string, texts: readonly string[], options: Options): Promise<void> {
  const url = parseAgentUrl(urlText);
  const params = texts.map(parseArgument);
  const timeoutMs = Number(options.timeout) * 1000;
  if (!(timeoutMs > 0))
    throw new AgentError('BAD_VALUE', `--timeout ${options.timeout}: it must be a number of seconds above 0`);
  if (options.insecure && url.isSecure) process.stderr.write("do_rpc: the agent's key is not checked (--insecure)\n");
  process.stdout.write(`${method} ${pythonForm(params)}\n`);
  // The package that reads the reply throws outside of any call when a reply is no XML-RPC at all.
  process.once('uncaughtException', () => {
    process.stderr.write('do_rpc: the answer is not one of an agent; is this its address?\n');
    process.exit(EXIT.failed);
  });
  try {
    const reply = await callAgent(
      {
        host: url.host,
        port: url.port,
        path: url.path,
        user: url.user,
        password: url.password ?? process.env['OVS_AGENT_PASSWORD'],
        ...(url.isSecure ? { secureAgent: trust(options) } : {}),
      },
      method,
      params,
      timeoutMs,
    );
    print(reply);
  } catch (error) {
    throw explained(error, url);
  }
}

function trust(options: Options): TrustingAgent {
  return new TrustingAgent({
    known: new KnownAgents(),
    alsoTrusted: certificateOfThisServer(options.root),
    isInsecure: options.insecure === true,
    onUnknown: async (name, fingerprint) => {
      if (options.acceptNew) return true;
      if (!process.stdin.isTTY) return false;
      return (
        (await askOnce(`The agent at ${name} is not known. Its key is ${fingerprint}. Remember it? [y/N] `)) === 'y'
      );
    },
  });
}

/** Who may read the agent's own certificate file need not be asked whether to trust it. */
function certificateOfThisServer(root: string): string[] {
  try {
    return [readFileSync(new AgentPaths(root).certificateFile, 'utf8')];
  } catch {
    return [];
  }
}

function parseArgument(text: string): unknown {
  if (text.startsWith('int:')) {
    const number = Number(text.slice(4));
    if (!Number.isInteger(number))
      throw new AgentError('BAD_VALUE', `argument ${text}: after int: there must be a whole number`);
    return number;
  }
  if (!text.startsWith('json:')) return text;
  try {
    return JSON.parse(text.slice(5)) as unknown;
  } catch (cause) {
    throw new AgentError('BAD_VALUE', `argument ${text}: after json: there must be JSON, such as json:{"a":1}`, {
      cause,
    });
  }
}

function print(reply: unknown): void {
  const text = typeof reply === 'string' ? reply : JSON.stringify(reply, null, 2);
  process.stdout.write(`=> ${text}\n`);
  if (typeof reply === 'string' && isFailure(reply)) {
    process.stderr.write(`do_rpc: ${reply}\n`);
    process.exitCode = EXIT.failed;
  }
}

function explained(error: unknown, url: AgentUrl): unknown {
  if (!(error instanceof TransportError)) return error;
  const where = `${url.host}:${url.port}`;
  switch (error.systemCode) {
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return new TransportError(
        'socket error! code=1, msg=error:140770FC:SSL routines:SSL23_GET_SERVER_HELLO:unknown protocol\n' +
          `do_rpc: the agent at ${where} does not use TLS; write http:// in the URL, or set ssl=enable in its agent.ini`,
        error,
      );
    case 'ECONNREFUSED':
      return new TransportError(
        `socket error! code=111, msg=Connection refused\ndo_rpc: no agent listens on ${where}; is it started?`,
        error,
      );
    case 'ECONNRESET':
      return new TransportError(
        `socket error! code=104, msg=Connection reset by peer\ndo_rpc: the agent at ${where} ended the connection; ` +
          `its allow and deny may exclude this host${url.isSecure ? '' : ', or it wants https://'}`,
        error,
      );
    default:
      return error;
  }
}
