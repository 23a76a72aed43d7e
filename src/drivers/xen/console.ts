import { spawn } from 'node:child_process';
import { Duplex, Transform } from 'node:stream';
import { AgentError } from '../../errors.ts';
import type { GuestPath } from '../../model/guest-path.ts';

/** The key by which a person leaves xenconsole. Typed through the agent it is no more than a key. */
const ESCAPE = 0x1d;

/**
 * Connects to the console of a domain by Xen's own program, which finds the terminal without the guest having a say in which, and
 * lets one client at a time have it.
 * @param program xenconsole
 * @throws AgentError HOST when it cannot be reached now
 */
export async function openConsole(
  program: string,
  path: GuestPath,
  domainId: number,
  type: 'pv' | 'serial',
): Promise<Duplex> {
  // It writes a byte to this descriptor of its own once it is connected.
  const args = [String(domainId), '--num', '0', '--type', type, '--interactive', '--start-notify-fd', '3'];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'], cwd: '/' });
  const [, , , notice] = child.stdio;
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-300)));
  const isConnected = await new Promise<boolean>(resolve => {
    notice!.once('data', () => resolve(true));
    notice!.on('error', () => undefined);
    child.once('error', () => resolve(false));
    child.once('exit', () => resolve(false));
  });
  notice!.destroy();
  if (!isConnected) {
    child.kill('SIGKILL');
    const said = words.trim().replace(/\s+/g, ' ');
    throw new AgentError(
      'HOST',
      `open the serial port of ${path}: it cannot be reached${said === '' ? '' : ` (${said})`}; try again`,
    );
  }
  const typed = new Transform({
    transform: (part: Buffer, _encoding, done) =>
      done(
        null,
        part.filter(byte => byte !== ESCAPE),
      ),
  });
  child.stdin.on('error', () => undefined);
  typed.pipe(child.stdin);
  const line = Duplex.from({ readable: child.stdout, writable: typed });
  child.once('exit', () => line.destroy());
  line.once('close', () => child.kill('SIGKILL'));
  return line;
}
