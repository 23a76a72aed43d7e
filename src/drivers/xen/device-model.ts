import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AgentError } from '../../errors.ts';
import type { Clock } from '../../host/clock.ts';
import type { GuestConfig } from '../../model/guest-config.ts';
import type { GuestPath } from '../../model/guest-path.ts';
import { QmpConnection } from '../qmp-connection.ts';

const ANSWER_MS = 10_000;

/** Whether a QEMU of Xen's belongs to the domain: for firmware, for a display, for images that are no raw files. */
export function hasDeviceModel({ disks, display, kind }: GuestConfig): boolean {
  return kind === 'hvm' || display !== undefined || disks.some(disk => disk.format === 'qcow2');
}

const LOG_DIRECTORY = '/var/log/xen';
const WORDS_BYTES = 300;

/**
 * Why a domain could not be made where its device model has ended: xl knows only that it did.
 * @param name of the domain, after which its log is named (libxl_dm.c)
 */
export function deviceModelWords({ name }: GuestConfig, logDirectory = LOG_DIRECTORY): string {
  let words: string;
  try {
    words = readFileSync(join(logDirectory, `qemu-dm-${name}.log`), 'utf8')
      .slice(-WORDS_BYTES)
      .trim();
  } catch {
    return '';
  }
  if (words.includes('does not support DES')) {
    return "; Xen's device model on this server is built without VNC passwords: remove vncpasswd, and keep vnclisten at 127.0.0.1";
  }
  const last = words.split('\n').at(-1) ?? '';
  return last === '' ? '' : `; its device model said: ${last}`;
}

/**
 * Asks the device model of a domain. Its socket is named by Xen's number for the domain (libxl_qmp.c), and takes one client at a
 * time: it is left at once.
 * @throws AgentError HYPERVISOR, TIMEOUT
 */
export async function askDeviceModel(
  act: string,
  domainId: number,
  command: string,
  args: Readonly<Record<string, unknown>> | undefined,
  clock: Clock,
): Promise<unknown> {
  const nobody = { onEvent: () => undefined, onClose: () => undefined };
  let connection: QmpConnection;
  try {
    connection = await QmpConnection.connect(`/var/run/xen/qmp-libxl-${domainId}`, ANSWER_MS, clock, nobody);
  } catch (cause) {
    throw new AgentError('HYPERVISOR', `${act}: the device model of the domain cannot be reached`, { cause });
  }
  try {
    return await connection.execute(command, args, ANSWER_MS);
  } finally {
    connection.close();
  }
}

/** TCP port of the VNC server, as the device model says: what the domain's own part of xenstore says is not asked. */
export async function vncPortOf(path: GuestPath, domainId: number, clock: Clock): Promise<number | undefined> {
  const answer = (await askDeviceModel(`start ${path}`, domainId, 'query-vnc', undefined, clock)) as {
    readonly service?: unknown;
  };
  const port = Number(answer.service);
  return Number.isInteger(port) && port > 0 && port < 65536 ? port : undefined;
}
