import { mapLines, type Rewritten, withLine } from './rewritten.ts';

/** `id:runlevels:action:process` of inittab(5), with a program that offers a login. */
const LOGIN_LINE = /^[^#:\s][^:]*:\d*:(?:respawn|off):.*\b(\w*getty)\b/;
const SERIAL_PORT = /\bttyS0\b/;
/** The speed is of no meaning on Xen's console, but agetty wants one. */
const SPEED = '9600';
const CONSOLE_ID = 'co';

/**
 * Offers a login on the console of Xen: in place of the serial port, or on a line of its own where other lines of inittab(5)
 * offer one. A system whose inittab has none, such as one with upstart, sees to its console itself.
 */
export function rewriteInittab(text: string, console: string): Rewritten {
  const changed = mapLines(text, line => (LOGIN_LINE.test(line) ? line.replace(SERIAL_PORT, console) : line));
  const logins = changed.split('\n').filter(line => LOGIN_LINE.test(line));
  const hasConsole = logins.some(line => line.split(/[\s/]+/).includes(console));
  if (logins.length === 0 || hasConsole) return { text: changed, left: [] };
  const isDebian = logins.some(line => LOGIN_LINE.exec(line)?.[1] === 'getty');
  const login = isDebian ? `/sbin/getty ${SPEED} ${console}` : `/sbin/agetty ${console} ${SPEED} vt100-nav`;
  return { text: withLine(changed, `${CONSOLE_ID}:2345:respawn:${login}`), left: [] };
}

/** Lets root log in on the console of Xen: securetty(5) lists where root may. */
export function rewriteSecuretty(text: string, console: string): Rewritten {
  const isListed = text.split('\n').some(line => line.trim() === console);
  return { text: isListed ? text : withLine(text, console), left: [] };
}
