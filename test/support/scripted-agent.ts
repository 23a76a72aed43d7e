import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { dirname } from 'node:path';
import { onTestFinished } from 'vitest';
import type { AgentPaths } from '../../src/config/paths.ts';
import { readMethodCall } from '../../src/xmlrpc/reader.ts';
import type { XmlRpcValue } from '../../src/xmlrpc/values.ts';
import { writeMethodResponse } from '../../src/xmlrpc/writer.ts';

export interface AgentCall {
  readonly method: string;
  readonly params: readonly XmlRpcValue[];
}

/** Answers a call; undefined cuts the connection, as an agent does that dies. */
export type Answer = (call: AgentCall) => XmlRpcValue | undefined;

/** A server on an agent's control socket that answers calls as the test says, for programs whose agent would be slow or is to fail. */
export class ScriptedAgent {
  readonly calls: AgentCall[] = [];
  readonly #server: Server;

  private constructor(answer: Answer) {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { method, params } = readMethodCall(Buffer.concat(parts).toString(), { depth: 20, values: 10_000 });
        this.calls.push({ method, params });
        const value = answer({ method, params });
        if (value === undefined) request.socket.destroy();
        else response.setHeader('Content-Type', 'text/xml').end(writeMethodResponse(value));
      });
    });
  }

  /** One that listens until the test is over. */
  static async start(paths: AgentPaths, answer: Answer): Promise<ScriptedAgent> {
    const agent = new ScriptedAgent(answer);
    mkdirSync(dirname(paths.controlSocket), { recursive: true });
    await new Promise<void>(done => agent.#server.listen(paths.controlSocket, done));
    onTestFinished(() => {
      agent.#server.closeAllConnections();
      agent.#server.close();
    });
    return agent;
  }

  callsOf(method: string): readonly AgentCall[] {
    return this.calls.filter(call => call.method === method);
  }
}
