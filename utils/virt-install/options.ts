import { type Command, InvalidArgumentError } from 'commander';
import { withRoot } from '../program.ts';
import { gigabytesFrom } from './questions.ts';

/** What stands on the command line; nothing has been asked yet. */
export interface InstallOptions {
  readonly name?: string;
  readonly ram?: number;
  readonly arch?: string;
  readonly uuid?: string;
  readonly vcpus?: number;
  readonly checkCpu?: boolean;
  readonly cpuset?: string;
  readonly osType?: string;
  readonly osVariant?: string;
  readonly hostDevice?: readonly string[];
  readonly file?: readonly string[];
  /** Gigabytes, each of 1024 MiB. */
  readonly fileSize?: readonly number[];
  readonly nonsparse?: boolean;
  readonly nodisks?: boolean;
  readonly mac?: readonly string[];
  readonly bridge?: readonly string[];
  readonly network?: readonly string[];
  readonly nonetworks?: boolean;
  readonly vnc?: boolean;
  readonly vncport?: number;
  readonly sdl?: boolean;
  readonly nographics?: boolean;
  readonly noautoconsole?: boolean;
  readonly keymap?: string;
  readonly sound?: boolean;
  readonly soundhw?: string;
  readonly accelerate?: boolean;
  readonly connect?: string;
  readonly hvm?: boolean;
  readonly paravirt?: boolean;
  readonly cdrom?: string;
  readonly livecd?: boolean;
  readonly pxe?: boolean;
  readonly import?: boolean;
  readonly location?: string;
  readonly extraArgs?: string;
  readonly noapic?: boolean;
  readonly noacpi?: boolean;
  readonly noreboot?: boolean;
  /** Minutes; below 0 without end. */
  readonly wait?: number;
  readonly force?: boolean;
  readonly prompt?: boolean;
  readonly debug?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
  readonly repository: string;
  readonly root: string;
}

/** The options of virt-install of python-virtinst about its release 0.400 (virt-install(1)), then our own. */
export function withInstallOptions(program: Command): Command {
  return withRoot(
    program
      .helpOption('-h, --help', 'show this text')
      .option('-n, --name <name>', 'name of the guest', filled)
      .option('-r, --ram <MiB>', 'memory, in megabytes', wholeNumber)
      .option(
        '--arch <architecture>',
        "whose kernel is taken from --location: i386 to i686, or x86_64; the server's own",
        filled,
      )
      .option('-u, --uuid <uuid>', 'identity of the guest; a random one', filled)
      .option('--vcpus <count>', 'number of processors', wholeNumber)
      .option('--check-cpu', 'ask when they are more than the server has')
      .option(
        '--cpuset <set>',
        'processors of the server on which it runs, such as 0-3,^1; auto leaves it open',
        filled,
      )
      .option('--os-type <type>', 'linux, windows, unix or other: with --hvm, sets what such systems need', filled)
      .option('--os-variant <name>', 'such as ol5, rhel6, win2k8: the same, more exactly', filled)
      .option('--host-device <address>', 'PCI device of the server that is handed through, such as 01:00.0', several)
      .option('-f, --file <path>', 'image or device for a disk; again for the next', several)
      .option('-s, --file-size <GB>', 'size of the disk when it is to be made, with decimals', severalSizes)
      .option('--nonsparse', 'give new images all their space at once')
      .option('--nodisks', 'have no disks')
      .option('-m, --mac <address>', 'address of a network card, or RANDOM; one for each', several)
      .option('-b, --bridge <name>', 'bridge of a network card', several)
      .option('-w, --network <network>', 'bridge:NAME, or user', several)
      .option('--nonetworks', 'have no network cards')
      .option('--vnc', 'have a display over VNC')
      .option('--vncport <port>', 'its TCP port, from 5900; the first that is free', wholeNumber)
      .option('--sdl', "have a display on the server's screen, which nobody is shown here")
      .option('--nographics', 'have no display: the console is text')
      .option('--noautoconsole', 'do not attach to the console')
      .option('-k, --keymap <layout>', 'keyboard of the display, such as en-us', filled)
      .option('--sound', 'only for compatibility: there are no sound devices')
      .option('--soundhw <model>', 'only for compatibility: there are no sound devices', filled)
      .option('--accelerate', "only for compatibility: the processor's help is used where it works")
      .option('--connect <uri>', 'only for compatibility: xen, which means this server', filled)
      .option('-v, --hvm', 'make a fully virtualized guest, which boots by firmware')
      .option('-c, --cdrom <path>', 'CD image from which a fully virtualized guest is installed', filled)
      .option('--livecd', 'the CD is what the guest boots for good')
      .option('--pxe', 'install from the network by its firmware')
      .option('--import', 'install nothing: the system is on the first disk')
      .option('-p, --paravirt', 'make a paravirtualized guest')
      .option(
        '-l, --location <url>',
        'installation tree of a paravirtualized guest: http, ftp, nfs:host:/path or a directory',
        filled,
      )
      .option('-x, --extra-args <arguments>', "arguments of the installer's kernel")
      .option('--noapic', 'have no APIC')
      .option('--noacpi', 'have no ACPI')
      .option('--noreboot', 'stop where the system reboots, and do not start it again')
      .option('--wait <minutes>', 'for its end; below 0 without end', minutes)
      .option('--force', 'ask nothing: yes to what is yes or no, else fail')
      .option('--prompt', 'ask for what is missing, as without it')
      .option('-d, --debug', 'print what the agent is asked to make')
      .option('--dry-run', 'make nothing: print the vm.cfg')
      .option('--json', 'print the result as JSON')
      .option('--repository <path>', 'where the guest lies', filled, '/OVS'),
  );
}

/** virtinst: "%s option requires an argument". */
function filled(text: string): string {
  if (text.trim() === '') throw new InvalidArgumentError('It is empty.');
  return text;
}

function several(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), filled(text)];
}

function severalSizes(text: string, before: readonly number[] | undefined): readonly number[] {
  const size = gigabytesFrom(text);
  if (size === undefined) throw new InvalidArgumentError('A number of gigabytes such as 4 or 0.5 is needed.');
  return [...(before ?? []), size];
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('A whole number from 1 is needed.');
  return Number(text);
}

function minutes(text: string): number {
  if (!/^-?\d{1,6}$/.test(text)) throw new InvalidArgumentError('A whole number of minutes is needed.');
  return Number(text);
}
