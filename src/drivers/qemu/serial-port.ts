import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { AgentError } from '../../errors.ts';

/**
 * Connects to the socket of a QEMU's serial port. QEMU takes the next client once the one it has is gone.
 * @throws AgentError HOST when the socket cannot be reached, as while QEMU ends
 */
export async function connectSerial(path: string, socketPath: string): Promise<Socket> {
  const socket = createConnection({ path: socketPath });
  try {
    await once(socket, 'connect');
  } catch (cause) {
    throw new AgentError('HOST', `open the serial port of ${path}: its socket cannot be reached; try again`, { cause });
  }
  return socket;
}
