import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { messageOf } from '../../errors.ts';
import type { Probe } from '../driver.ts';
import type { Xl } from './xl.ts';
import type { XenInfo } from './xl-output.ts';

/** Present in the privileged domain, and in no other (Linux, drivers/xen/xenfs). */
const CAPABILITIES = '/proc/xen/capabilities';
/** Before it xl could not be told to leave the ends of domains to others and to print why they ended in this form. */
const FIRST = { major: 4, minor: 11 };

export interface XenPrograms {
  readonly xl: string;
  readonly xenstoreWatch: string;
  readonly xenconsole: string;
}

export interface XenProbe {
  readonly probe: Probe;
  readonly info: XenInfo | undefined;
  readonly programs: XenPrograms | undefined;
}

/** Whether this is the privileged domain of a Xen that xl can speak to. Never throws. */
export async function probeXen(makeXl: (program: string) => Xl, searchPath: string): Promise<XenProbe> {
  const refused = (reason: string, remedy: string): XenProbe => ({
    probe: { usable: false, reason, remedy },
    info: undefined,
    programs: undefined,
  });
  if (!existsSync(CAPABILITIES))
    return refused('this server did not boot as the privileged domain of Xen', 'boot the Xen entry of its menu');
  const find = (name: string, folders = searchPath.split(delimiter)): string | undefined =>
    folders.map(folder => join(folder, name)).find(file => existsSync(file));
  const [xl, xenstoreWatch] = [find('xl'), find('xenstore-watch')];
  if (xl === undefined || xenstoreWatch === undefined) {
    const missing = xl === undefined ? 'xl' : 'xenstore-watch';
    return refused(`${missing} is not installed`, 'install it (on Debian: apt-get install xen-utils xenstore-utils)');
  }
  try {
    const info = await makeXl(xl).info();
    const { major, minor, version } = info;
    if (major < FIRST.major || (major === FIRST.major && minor < FIRST.minor))
      return refused(`Xen ${version} is too old`, `install Xen ${FIRST.major}.${FIRST.minor} or later`);
    const folders = [
      `/usr/lib/xen-${major}.${minor}/bin`,
      '/usr/lib/xen/bin',
      '/usr/libexec/xen/bin',
      '/usr/lib64/xen/bin',
    ];
    const xenconsole = find('xenconsole', folders);
    if (xenconsole === undefined)
      return refused('xenconsole is not installed', 'install it (on Debian: apt-get install xen-utils)');
    const accelerator = info.hasHardwareGuests ? 'pv, pvh and hvm' : 'pv';
    const description = `Xen ${version} with guests of type ${accelerator}`;
    return {
      probe: { usable: true, description, version, accelerator: info.hasHardwareGuests ? 'hvm' : 'pv' },
      info,
      programs: { xl, xenstoreWatch, xenconsole },
    };
  } catch (error) {
    return refused(messageOf(error), 'see that "xl info" works by hand, as root');
  }
}
