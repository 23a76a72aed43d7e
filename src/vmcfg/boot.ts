import { AgentError } from '../errors.ts';
import type { Boot, GuestConfig } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import type { ConfigKeys } from './config-keys.ts';

/** How the guest boots, from the keys of its kind. */
export function bootOf(keys: ConfigKeys, kind: GuestConfig['kind']): Boot {
  return kind === 'hvm' ? firmwareBootOf(keys) : kernelBootOf(keys);
}

function firmwareBootOf(keys: ConfigKeys): Boot {
  const loader = keys.filledText('kernel');
  // Firmware is the hypervisor's own: a file that a guest file names is never run as such.
  if (loader !== undefined && fileNameOf(loader) !== 'hvmloader') {
    keys.fail(
      'kernel',
      `${quote(loader)} is not the hvmloader of builder = 'hvm'; remove kernel, or remove builder to boot that kernel`,
    );
  }
  const wanted = keys.filledText('boot') ?? 'c';
  // There are no floppy disks, a and b, and a place that was tried is not tried again.
  const order = [...new Set(wanted.replace(/[ab]/g, ''))].join('');
  return /^[cdn]+$/.test(order)
    ? { from: 'firmware', order }
    : keys.fail(
        'boot',
        `${quote(wanted)} is no order of trial; write one or more of c (disk), d (CD-ROM), n (network)`,
      );
}

/** Where both a boot loader and a kernel are named the boot loader is used, as xend did. */
function kernelBootOf(keys: ConfigKeys): Boot {
  const commandLine = commandLineOf(keys);
  if (keys.filledText('bootloader') !== undefined) {
    requirePygrub(keys);
    return { from: 'bootloader', entry: menuEntryOf(keys), commandLine };
  }
  if (keys.filledText('kernel') !== undefined) {
    return { from: 'kernel', kernel: fileOf(keys, 'kernel')!, ramdisk: fileOf(keys, 'ramdisk'), commandLine };
  }
  throw new AgentError(
    'BAD_CONFIG',
    "it says nothing of how to boot; kernel = '…', bootloader = '/usr/bin/pygrub' or builder = 'hvm' is needed",
  );
}

/** The program is never run: what it would do is done by the agent, and only pygrub's work is known. */
function requirePygrub(keys: ConfigKeys): void {
  const program = keys.filledText('bootloader') ?? '';
  if (fileNameOf(program) === 'pygrub') return;
  keys.fail(
    'bootloader',
    `${quote(program)} is not run here; write bootloader = '/usr/bin/pygrub', or kernel and ramdisk`,
  );
}

/** pygrub's arguments, of which only the choice of an entry means something here. */
function menuEntryOf(keys: ConfigKeys): string | undefined {
  const named = keys.filledText('bootentry');
  if (named !== undefined) return named;
  const words = (keys.filledText('bootargs') ?? '').split(/\s+/).filter(word => !['', '-q', '--quiet'].includes(word));
  const [, entry] = /^--entry[= ](.+)$/.exec(words.join(' ')) ?? [];
  if (words.length > 0 && entry === undefined) {
    keys.fail('bootargs', `${quote(words.join(' '))} is not known; --entry=NUMBER or --entry=TITLE is`);
  }
  return entry;
}

/** `root` and `extra` make up the kernel's command line (xl.cfg(5)). */
function commandLineOf(keys: ConfigKeys): string {
  const root = keys.filledText('root');
  const parts = [
    root === undefined ? '' : `root=${root.replace(/^root=/, '')}`,
    networkArguments(keys),
    keys.text('extra')?.trim() ?? '',
  ];
  return parts.filter(part => part !== '').join(' ');
}

/** xm's keys for a system that finds its network and its root file system by the kernel (Linux, "nfsroot"). */
function networkArguments(keys: ConfigKeys): string {
  const read = (key: string): string => {
    const text = keys.filledText(key) ?? '';
    return /[\s:]/.test(text) && key !== 'nfs_root' ? keys.fail(key, `${quote(text)} holds a blank or a colon`) : text;
  };
  const [server, root, dhcp] = [read('nfs_server'), read('nfs_root'), read('dhcp')];
  if (root !== '' && server === '') keys.fail('nfs_root', "it needs the server: write nfs_server = '…' as well");
  const address = read('ip');
  const isAsked = address !== '' || !['', 'off'].includes(dhcp);
  const fields = [address, server, read('gateway'), read('netmask'), read('hostname'), read('interface'), dhcp];
  return [isAsked ? `ip=${fields.join(':')}` : '', root === '' ? '' : `nfsroot=${server}:${root}`]
    .filter(part => part !== '')
    .join(' ');
}

function fileOf(keys: ConfigKeys, key: string): string | undefined {
  const file = keys.filledText(key);
  if (file === undefined) return undefined;
  return file.startsWith('/') ? file : keys.fail(key, `${quote(file)} is not an absolute path`);
}

function fileNameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
