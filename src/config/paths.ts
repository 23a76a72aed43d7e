import { posix } from 'node:path';
import { AgentError } from '../errors.ts';

/** Longest path of a Unix socket (unix(7): sun_path has 108 bytes, the last is NUL). */
const SOCKET_PATH_LIMIT_BYTES = 107;

/**
 * Where the agent's files lie. Every path, the defaults and those of callers, lies below a root directory as though that
 * were `/`, so that one machine can run many agents.
 */
export class AgentPaths {
  readonly root: string;

  /**
   * @param root directory that stands for `/`
   * @throws AgentError BAD_VALUE when sockets below it would have names that are too long, or when QEMU's command line
   * could not hold it
   */
  constructor(root = '/') {
    this.root = posix.resolve(root);
    if (/[,\n\0]/.test(this.root)) {
      throw new AgentError(
        'BAD_VALUE',
        `use root directory ${JSON.stringify(this.root)}: its path holds a comma, a line break or NUL; choose one without`,
      );
    }
    const longestSocket = posix.join(this.guestRuntimeDirectory, '0123456789abcdef', 'serial3');
    const excess = Buffer.byteLength(longestSocket) - SOCKET_PATH_LIMIT_BYTES;
    if (excess > 0) {
      throw new AgentError(
        'BAD_VALUE',
        `use root directory ${this.root}: its path is ${excess} bytes too long for the sockets below it, ` +
          `which may have ${SOCKET_PATH_LIMIT_BYTES}; choose one of at most ${Buffer.byteLength(this.root) - excess} bytes`,
      );
    }
  }

  /** Where a path that a caller gave lies on the disk; `..` does not lead out of the root. */
  onDisk(given: string): string {
    return posix.resolve(this.root, `.${posix.resolve('/', given)}`);
  }

  /** What `onDisk` makes of a path, turned back: replies show paths as callers give them. */
  asGiven(place: string): string {
    return this.root !== '/' && place.startsWith(`${this.root}/`) ? place.slice(this.root.length) : place;
  }

  get settingsFile(): string {
    return this.onDisk('/etc/ovs-agent/agent.ini');
  }

  get xendConfigFile(): string {
    return this.onDisk('/etc/xen/xend-config.sxp');
  }

  /** Where xend's own clients look for it. */
  get xendSocket(): string {
    return this.onDisk('/var/run/xend/xmlrpc.sock');
  }

  get passwordFile(): string {
    return this.onDisk('/etc/ovs-agent/passwd');
  }

  get certificateDirectory(): string {
    return this.onDisk('/etc/ovs-agent/cert');
  }

  get certificateFile(): string {
    return posix.join(this.certificateDirectory, 'certificate.pem');
  }

  get databaseDirectory(): string {
    return this.onDisk('/etc/ovs-agent/db');
  }

  get databaseFile(): string {
    return posix.join(this.databaseDirectory, 'agent.db');
  }

  get performanceFile(): string {
    return posix.join(this.databaseDirectory, 'performance.db');
  }

  get eventFile(): string {
    return posix.join(this.databaseDirectory, 'events.db');
  }

  get logDirectory(): string {
    return this.onDisk('/var/log/ovs-agent');
  }

  get consoleDirectory(): string {
    return posix.join(this.logDirectory, 'console');
  }

  get runtimeDirectory(): string {
    return this.onDisk('/run/ovs-agent');
  }

  /** Kernels that were found in images of guests that run. */
  get keptBootDirectory(): string {
    return this.onDisk('/var/lib/ovs-agent/boot');
  }

  get lockFile(): string {
    return posix.join(this.runtimeDirectory, 'lock');
  }

  get controlSocket(): string {
    return posix.join(this.runtimeDirectory, 'control');
  }

  get guestRuntimeDirectory(): string {
    return posix.join(this.runtimeDirectory, 'guests');
  }

  /** Memory of guests that crashed, where xend put it. */
  get dumpDirectory(): string {
    return this.onDisk('/var/xen/dump');
  }
}
