import { describe, expect, it } from 'vitest';
import { AgentError } from '../../../../src/errors.ts';
import { describeGuest } from '../../../../utils/virt-install/description.ts';
import { dialogueOf, optionsOf, serverWith } from '../../../support/virt-install.ts';

const server = serverWith(
  '/OVS/iso_pool/os.iso',
  '/OVS/sharedDisk/data.img',
  '/OVS/iso_pool/',
  '/OVS/running_pool/taken/',
  '/dev/vg/guest',
  '/dev/cdrom',
);
const KIND =
  'Would you like a fully virtualized guest (yes or no)?  This will allow you to run unmodified operating systems. ';
const NAME = 'What is the name of your virtual machine? ';
const MEMORY = 'How much RAM should be allocated (in megabytes)? ';
const DISK = 'What would you like to use as the disk (path)? ';
const GRAPHICS = 'Would you like to enable graphics support? (yes or no) ';
const LOCATION = 'What is the install location? ';
const CDROM = 'What is the virtual CD image, CD device or install location? ';
const sizeOf = (path: string): string => `How large would you like the disk (${path}) to be (in gigabytes)? `;

const talk = (args: string, given: readonly string[], shown?: string[]): ReturnType<typeof dialogueOf> =>
  dialogueOf(
    args.split(' ').filter(word => word !== ''),
    given,
    server,
    shown,
  );

async function refusalOf(work: Promise<unknown>): Promise<AgentError> {
  const error: unknown = await work.then(
    () => new Error('nothing was refused'),
    (reason: unknown) => reason,
  );
  if (error instanceof AgentError) return error;
  throw error as Error;
}

describe('the dialogue of virt-install', () => {
  it('asks for a paravirtualized guest what virtinst asks, in its order', async () => {
    const { answers, shown } = await talk('', [
      'no',
      'web',
      '512',
      '/OVS/running_pool/web/a.img',
      '4',
      'no',
      'nfs:server:/ol5',
    ]);
    expect(shown).toEqual([KIND, NAME, MEMORY, DISK, sizeOf('/OVS/running_pool/web/a.img'), GRAPHICS, LOCATION]);
    expect(answers).toEqual({
      path: '/OVS/running_pool/web',
      type: 'para',
      memory: 512,
      vcpus: 1,
      disks: [{ file: '/OVS/running_pool/web/a.img', size: 4096 }],
      display: 'none',
      install: { from: 'tree', location: 'nfs:server:/ol5', arguments: '' },
    });
  });

  it('asks for a fully virtualized guest what virtinst asks, and takes blanks and any yes', async () => {
    const { answers, shown } = await talk('', [' Y ', ' win ', '1024', '', '0.1', 'TRUE', '/OVS/iso_pool/os.iso']);
    expect(shown).toEqual([KIND, NAME, MEMORY, DISK, sizeOf('/OVS/running_pool/win'), GRAPHICS, CDROM]);
    expect(answers).toMatchObject({
      type: 'hvm',
      disks: [{ size: 103 }],
      display: 'vnc',
      install: { from: 'iso', iso: '/OVS/iso_pool/os.iso' },
    });
  });

  it('asks again, with the reason, until an answer can be used', async () => {
    const { shown } = await talk('', [
      ...['', 'perhaps', 'no'],
      ...['', '42', 'a b', 'x'.repeat(51), 'taken', 'web'],
      ...['lots', '-5', '63', '512'],
      ...['/OVS/iso_pool', '/OVS/running_pool/web/a.img'],
      ...['big', '0', '4'],
      ...['maybe', 'no'],
      ...['server/path', 'http://', 'http://server/ol5'],
    ]);
    expect(shown).toEqual([
      ...[KIND, 'ERROR: A yes or no response is required', KIND, 'ERROR: A yes or no response is required', KIND],
      ...[NAME, 'ERROR: System name must be greater than 0 and no more than 50 characters'],
      ...[NAME, 'ERROR: System name must not be only numeric characters'],
      ...[NAME, "ERROR: System name can only contain alphanumeric, '_', '.', or '-' characters"],
      ...[NAME, 'ERROR: System name must be greater than 0 and no more than 50 characters'],
      ...[NAME, 'ERROR: Domain named taken already exists!', NAME],
      ...[MEMORY, 'ERROR: Memory value must be an integer greater than 0'],
      ...[MEMORY, 'ERROR: Memory value must be an integer greater than 0'],
      ...[MEMORY, 'ERROR: Installs currently require 64 megs of RAM.', MEMORY],
      ...[DISK, 'ERROR: The path "/OVS/iso_pool" must be a file or a device, not a directory', DISK],
      ...[sizeOf('/OVS/running_pool/web/a.img'), 'ERROR: "big" is no number of gigabytes such as 4 or 0.5'],
      ...[sizeOf('/OVS/running_pool/web/a.img'), 'ERROR: "0" is no number of gigabytes such as 4 or 0.5'],
      sizeOf('/OVS/running_pool/web/a.img'),
      ...[GRAPHICS, 'ERROR: A yes or no response is required', GRAPHICS],
      LOCATION,
      expect.stringContaining('ERROR: Invalid install location'),
      LOCATION,
      expect.stringContaining('ERROR: Invalid install location'),
      LOCATION,
    ]);
  });

  it('asks nothing that the command line says', async () => {
    const { shown } = await talk(
      '-n web -r 512 -p -f /OVS/running_pool/web/a.img -s 4 --nographics -l http://server/',
      [],
    );
    expect(shown).toEqual([]);
  });

  it('does not ask which kind it is where only one can be installed so', async () => {
    expect((await talk('-n a -r 512 --nodisks --vnc -c /OVS/iso_pool/os.iso', [])).answers.type).toBe('hvm');
    expect((await talk('-n a -r 512 -s 1 --force -l http://server/', [])).answers.type).toBe('para');
  });

  it('names the size that was given when it asks where the disk lies', async () => {
    const { shown, answers } = await talk('-n a -r 512 -p -s 4.5 --vnc -l http://server/', ['/OVS/sharedDisk/new.img']);
    expect(shown).toEqual([
      'Please enter the path to the file you would like to use for storage. It will have size 4.5GB. ',
    ]);
    expect(answers.disks).toEqual([{ file: '/OVS/sharedDisk/new.img', size: 4608 }]);
  });

  it('asks before a file is used that is there, and for another one after no', async () => {
    const question =
      "You are going to overwrite file '/OVS/sharedDisk/data.img'!\nDo you really want to use the file (yes or no)? ";
    const args = '-n a -r 512 -p --vnc -l http://server/ -f /OVS/sharedDisk/data.img';
    const yes = await talk(args, ['yes']);
    expect(yes.shown).toEqual([question]);
    expect(yes.answers.disks).toEqual([{ file: '/OVS/sharedDisk/data.img' }]);
    const no = await talk(args, ['no', '/dev/vg/guest']);
    expect(no.shown).toEqual([question, DISK]);
    expect(no.answers.disks).toEqual([{ device: '/dev/vg/guest' }]);
  });

  it('asks whether so many processors are meant, and takes fewer after no', async () => {
    const { answers, shown } = await talk('-n a -r 512 -v --pxe --nodisks --vnc --vcpus 6 --check-cpu', [
      'no',
      '5',
      'yes',
    ]);
    expect(shown[0]).toContain('more virtual CPUs (6) than there are physical CPUs (4)');
    expect(shown[1]).toBe('How many VCPUs should be attached? ');
    expect(answers.vcpus).toBe(5);
  });

  it('refuses media that a guest cannot be installed from, and asks again', async () => {
    const { shown } = await talk('-n a -r 512 -v --nodisks --vnc', [
      ...['http://server/os.iso', '/dev/cdrom', '/OVS/iso_pool', '/nowhere.iso', '/OVS/iso_pool/os.iso'],
    ]);
    expect(shown.filter(line => line.startsWith('ERROR'))).toEqual([
      expect.stringContaining('is no CD image on this server'),
      expect.stringContaining('is a device; copy the CD'),
      expect.stringContaining('does not exist, or is no file'),
      expect.stringContaining('The specified path "/nowhere.iso" does not exist'),
    ]);
  });

  it.each([
    ['', [], 'fully virtualized', '--hvm or --paravirt'],
    ['', ['no'], 'What is the name', '--name'],
    ['-n a', ['no', 'x'], 'How much RAM', '--ram'],
    ['-n a -r 512', ['no', '', 'x'], 'How large', '--file-size'],
    ['-n a -r 512 -p --nodisks', [], 'graphics', '--nographics'],
    ['-n a -r 512 -p --nodisks --vnc', ['x'], 'install location', '--location'],
  ])('with %j and the answers %j ends with a sentence when they run out', async (args, given, question, option) => {
    const failure = await refusalOf(talk(args, given));
    expect(failure.message).toContain(question);
    expect(failure.message).toContain('was not answered, and nothing was made');
    expect(failure.message).toContain(option);
  });

  it.each([
    ['-n 42 --force', 'BAD_VALUE', 'only numeric'],
    ['-p -n taken --force', 'EXISTS', 'Domain named taken already exists!'],
    ['-p -n a --force', 'BAD_VALUE', 'is not asked with --force; give --ram'],
    ['-p -n a -r 32 --force', 'BAD_VALUE', 'Installs currently require 64'],
    ['-p -n a -r 512 --vcpus 2000', 'BAD_VALUE', 'range of 1-1024'],
    ['-p -n a -r 512 --force -f /new.img', 'BAD_VALUE', 'give --file-size'],
    ['-p -n a -r 512 --import -f /new.img', 'NO_SUCH_FILE', '--import needs a disk'],
    ['-v -n a -r 512 --nodisks --vnc -c /nowhere.iso', 'NO_SUCH_FILE', 'does not exist'],
    ['-p -n a -r 512 --nodisks --vnc -l server', 'BAD_VALUE', 'Invalid install location'],
    ['-p -n a --repository /tmp', 'BAD_VALUE', 'is not the directory of a guest'],
  ])('does not ask for what %s says, but refuses it', async (args, code, sentence) => {
    const shown: string[] = [];
    const failure = await refusalOf(
      talk(args.includes('-p') || args.includes('-v') ? args : `${args} -p`, ['x'], shown),
    );
    expect([failure.code, failure.message]).toEqual([code, expect.stringContaining(sentence)]);
    expect(shown).toEqual([]);
  });
});

describe('the guest that was asked for', () => {
  const BASE = '-n a -r 512 -v --pxe --nodisks --vnc';
  const described = async (args: string): Promise<ReturnType<typeof describeGuest>> =>
    describeGuest(optionsOf(args.split(' ')), (await talk(args, [])).answers);

  it.each([
    ['-w network:default', 'there are no virtual networks here'],
    ['-w nat', 'Unknown network type "nat"'],
    ['-w bridge:', 'vifs[0].bridge'],
    ['-m 00:16:3e:zz:00:00', 'is no MAC address'],
    ['--host-device usb_1_2', 'USB devices cannot'],
    ['-u 1234', 'a UUID such as'],
    ['--arch sparc', 'arch is "sparc"'],
    ['--vncport 80', 'display.port is 80'],
    ['-k klingon!', 'display.keymap'],
  ])('is refused with %s', async (args, sentence) => {
    const failure = await refusalOf(described(`${BASE} ${args}`));
    expect(failure.code).toBe('BAD_VALUE');
    expect(failure.message).toContain(sentence);
  });

  it('is no paravirtualized one without a disk', async () => {
    const failure = await refusalOf(described('-n a -r 512 -p --nodisks --vnc -l http://server/'));
    expect(failure.message).toContain('disks holds no disk');
  });

  it.each([
    ['--sound', 'no sound devices'],
    ['--sdl', 'over VNC'],
    ['--noreboot', "on_reboot = 'destroy'"],
    ['--cpuset auto', 'all processors'],
    ['-w user', 'usual bridge'],
    ['--os-variant rhel5', 'clock=pit'],
  ])('comes with a sentence about %s', async (args, sentence) => {
    const base = args === '--sdl' ? BASE.replace('--vnc', '') : BASE;
    const { notes } = await described(`${base} ${args}`.replace(/ +/g, ' '));
    expect(notes).toEqual([expect.stringContaining(sentence)]);
  });

  it('has keys of the system it is for only where firmware boots it', async () => {
    const { guest, notes } = await described('-n a -r 512 -p -s 1 --force -l http://server/ --os-variant rhel5');
    expect(guest.keys).toEqual({});
    expect(notes).toEqual([]);
  });
});
