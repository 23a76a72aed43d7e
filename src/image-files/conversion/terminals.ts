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
  let hasLogins = false;
  let hasConsole = false;
  let debianGetty = false;
  const changed = mapLines(text, line => {
    const [, program] = LOGIN_LINE.exec(line) ?? [];
    if (program === undefined) return line;
    hasLogins = true;
    debianGetty ||= program === 'getty';
    const own = line.replace(SERIAL_PORT, console);
    hasConsole ||= new RegExp(`\\b${console}\\b`).test(own);
    return own;
  });
  if (!hasLogins || hasConsole) return { text: changed, left: [] };
  const login = debianGetty ? `/sbin/getty ${SPEED} ${console}` : `/sbin/agetty ${console} ${SPEED} vt100-nav`;
  return { text: withLine(changed, `${CONSOLE_ID}:2345:respawn:${login}`), left: [] };
}

/** Lets root log in on the console of Xen: securetty(5) lists where root may. */
export function rewriteSecuretty(text: string, console: string): Rewritten {
  const isListed = text.split('\n').some(line => line.trim() === console);
  return { text: isListed ? text : withLine(text, console), left: [] };
}
