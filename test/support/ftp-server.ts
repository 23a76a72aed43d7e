import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface FtpFile {
  readonly bytes: Buffer;
  /** As MDTM tells it: 14 digits. */
  readonly changed: string;
}

/** What a server does wrong in one transfer: it cuts the connection after so many bytes, or stalls there. */
export interface FtpFault {
  readonly afterBytes: number;
  readonly stalls?: boolean;
}

/**
 * As much of an FTP server (RFC 959, 2428, 3659) as curl needs, on loopback, passive mode only. It ends with the test.
 */
export class FtpServer {
  /** By their paths below the root. */
  readonly files = new Map<string, FtpFile>();
  /** Each transfer takes the next. */
  readonly faults: FtpFault[] = [];
  /** All that was asked, in order. */
  readonly commands: string[] = [];
  password: string | undefined;
  knowsRest = true;
  knowsTimes = true;
  /** Called before each transfer begins. */
  beforeTransfer: () => void = () => undefined;
  readonly #sockets = new Set<Socket>();
  readonly #servers = new Set<Server>();
  #port = 0;

  static async start(): Promise<FtpServer> {
    const server = new FtpServer();
    server.#port = await server.listen(socket => new FtpSession(server, socket));
    onTestFinished(() => {
      for (const socket of server.#sockets) socket.destroy();
      for (const listening of server.#servers) listening.close();
    });
    return server;
  }

  get url(): string {
    return `ftp://127.0.0.1:${this.#port}`;
  }

  /** Names that lie directly in a directory. */
  namesIn(directory: string): string[] {
    const prefix = directory === '/' ? '/' : `${directory}/`;
    const below = [...this.files.keys()].filter(path => path.startsWith(prefix));
    return [...new Set(below.map(path => path.slice(prefix.length).split('/')[0]!))];
  }

  /** @returns the port of a new server */
  async listen(connected: (socket: Socket) => void): Promise<number> {
    const server = createServer(socket => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
      connected(socket);
    });
    this.#servers.add(server);
    await new Promise<void>(resolve => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return (server.address() as AddressInfo).port;
  }
}

class FtpSession {
  readonly #server: FtpServer;
  readonly #control: Socket;
  #directory = '/';
  #offset = 0;
  #data: Promise<Socket> | undefined;
  #text = '';

  constructor(server: FtpServer, control: Socket) {
    this.#server = server;
    this.#control = control;
    this.#reply('220 ready');
    let done = Promise.resolve();
    control.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text;
      const lines = this.#text.split('\r\n');
      this.#text = lines.pop()!;
      for (const line of lines) done = done.then(async () => this.#reply(await this.#answer(line)));
    });
  }

  #reply(text: string): void {
    if (this.#control.writable) this.#control.write(`${text}\r\n`);
  }

  /** @returns the reply */
  async #answer(line: string): Promise<string> {
    this.#server.commands.push(line);
    const [, verb = '', argument = ''] = /^(\S+) ?(.*)$/.exec(line) ?? [];
    const path = this.#absolute(argument);
    const file = this.#server.files.get(path);
    switch (verb.toUpperCase()) {
      case 'USER':
        return '331 password?';
      case 'PASS': {
        const isRight = this.#server.password === undefined || this.#server.password === argument;
        return isRight ? '230 welcome' : '530 no';
      }
      case 'PWD':
        return '257 "/" is it';
      case 'TYPE':
        return '200 as you like';
      case 'CWD':
        if (path !== '/' && this.#server.namesIn(path).length === 0) return '550 no such directory';
        this.#directory = path;
        return '250 there';
      case 'EPSV':
        return this.#openData();
      case 'SIZE':
        return file ? `213 ${file.bytes.length}` : '550 no such file';
      case 'MDTM':
        if (!this.#server.knowsTimes) return '502 what?';
        return file ? `213 ${file.changed}` : '550 no such file';
      case 'REST':
        if (!this.#server.knowsRest) return '502 what?';
        this.#offset = Number(argument);
        return '350 from there';
      case 'RETR':
        this.#server.beforeTransfer();
        return this.#send(this.#server.files.get(path)?.bytes.subarray(this.#offset), this.#server.faults.shift());
      case 'NLST':
        return this.#send(
          Buffer.from(
            this.#server
              .namesIn(this.#directory)
              .map(name => `${name}\r\n`)
              .join(''),
          ),
        );
      case 'QUIT':
        return '221 bye';
      default:
        return '502 what?';
    }
  }

  #absolute(argument: string): string {
    if (argument.startsWith('/')) return argument;
    return this.#directory === '/' ? `/${argument}` : `${this.#directory}/${argument}`;
  }

  async #openData(): Promise<string> {
    let connected: (socket: Socket) => void = () => undefined;
    this.#data = new Promise(resolve => {
      connected = resolve;
    });
    const port = await this.#server.listen(socket => connected(socket));
    return `229 go (|||${port}|)`;
  }

  async #send(bytes: Buffer | undefined, fault?: FtpFault): Promise<string> {
    this.#offset = 0;
    if (!bytes || !this.#data) return '550 no such file';
    this.#reply('150 here it comes');
    const data = await this.#data;
    if (!fault) {
      await new Promise<void>(resolve => {
        data.end(bytes, resolve);
      });
      return '226 done';
    }
    await new Promise<void>(resolve => {
      data.write(bytes.subarray(0, fault.afterBytes), () => resolve());
    });
    if (fault.stalls) return new Promise(() => undefined);
    data.end();
    return '426 cut';
  }
}
