import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { AgentError } from '../src/errors.ts';
import { publicKeyFingerprint } from '../src/wire/certificate.ts';

/**
 * The agents that this user knows, as ssh knows its hosts: each line `host:port sha256:FINGERPRINT`, where the
 * fingerprint is that of the agent's public key, which outlives the renewals of its certificate.
 */
export class KnownAgents {
  readonly #file: string;

  constructor(file = join(homedir(), '.ovs-agent', 'known_agents')) {
    this.#file = file;
  }

  get file(): string {
    return this.#file;
  }

  find(name: string): string | undefined {
    const line = this.#lines().find(([known]) => known === name);
    return line?.[1];
  }

  add(name: string, fingerprint: string): void {
    const lines = [...this.#lines().filter(([known]) => known !== name), [name, fingerprint]];
    mkdirSync(dirname(this.#file), { recursive: true, mode: 0o700 });
    writeFileSync(this.#file, lines.map(line => `${line.join(' ')}\n`).join(''), { mode: 0o600 });
  }

  #lines(): string[][] {
    try {
      return readFileSync(this.#file, 'utf8')
        .split('\n')
        .filter(line => line.trim() !== '' && !line.startsWith('#'))
        .map(line => line.trim().split(/\s+/));
    } catch {
      return [];
    }
  }
}

export interface TrustOptions {
  readonly known: KnownAgents;
  /** PEM texts of certificates that are trusted besides, such as that of the agent of this server. */
  readonly alsoTrusted: readonly string[];
  /** What to do with an agent that is not known yet. */
  readonly onUnknown: (name: string, fingerprint: string) => Promise<boolean>;
  readonly isInsecure: boolean;
}

/** An agent of node:https whose connections are handed out only once the other side is known. */
export class TrustingAgent extends Agent {
  readonly #options: TrustOptions;

  constructor(options: TrustOptions) {
    super({ keepAlive: false });
    this.#options = options;
  }

  override createConnection(
    options: { host?: string; port?: number },
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const host = options.host ?? 'localhost';
    const socket = connect({ ...options, host, port: options.port ?? 443, rejectUnauthorized: false });
    const failed = (error: Error): void => callback?.(error, socket);
    socket.once('error', failed);
    socket.once('secureConnect', () => {
      this.#judge(socket, `${host}:${options.port ?? 443}`).then(
        () => {
          socket.removeListener('error', failed);
          callback?.(null, socket);
        },
        (error: unknown) => {
          socket.destroy();
          failed(error as Error);
        },
      );
    });
  }

  async #judge(socket: TLSSocket, name: string): Promise<void> {
    const { alsoTrusted, isInsecure, known, onUnknown } = this.#options;
    if (isInsecure || socket.authorized) return;
    const fingerprint = publicKeyFingerprint(new X509Certificate(socket.getPeerCertificate().raw).toString());
    if (alsoTrusted.some(certificate => publicKeyFingerprint(certificate) === fingerprint)) return;
    const pinned = known.find(name);
    if (pinned === fingerprint) return;
    if (pinned !== undefined) {
      throw new AgentError(
        'DENIED',
        `the agent at ${name} has another key than before (${fingerprint}): somebody may be listening in. ` +
          `If its key was changed on purpose, remove its line from ${known.file}`,
      );
    }
    if (!(await onUnknown(name, fingerprint))) {
      throw new AgentError(
        'DENIED',
        `the agent at ${name} is not known (${fingerprint}); use --accept-new to remember it`,
      );
    }
    known.add(name, fingerprint);
  }
}
