import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { refuseContradictions } from '../../../../utils/virt-install/contradictions.ts';
import { failureOf } from '../../../support/failure-of.ts';
import { optionsOf } from '../../../support/virt-install.ts';

describe('the command line of virt-install', () => {
  it('is read in its short forms as in its long ones', () => {
    const short = '-n a -r 512 -u u -f /x -s 0.5 -m RANDOM -b br0 -w user -k de -v -c /c -p -l /l -x arg -d';
    const long =
      '--name=a --ram=512 --uuid=u --file=/x --file-size=0.5 --mac=RANDOM --bridge=br0 --network=user --keymap=de --hvm --cdrom=/c ' +
      '--paravirt --location=/l --extra-args=arg --debug';
    expect(optionsOf(short.split(' '))).toEqual(optionsOf(long.split(' ')));
  });

  it('keeps several disks, sizes, addresses and bridges in their order', () => {
    const args = '-f /a -s 1 -f /b -s 2.25 -m 00:16:3e:00:00:01 -b br0 -m RANDOM -b br1'.split(' ');
    expect(optionsOf(args)).toMatchObject({
      file: ['/a', '/b'],
      fileSize: [1, 2.25],
      mac: ['00:16:3e:00:00:01', 'RANDOM'],
      bridge: ['br0', 'br1'],
    });
  });

  it('takes arguments that begin with a dash, and a time below 0', () => {
    expect(optionsOf(['-x', '--text', '--wait', '-1'])).toMatchObject({ extraArgs: '--text', wait: -1 });
  });

  it.each([
    ['-n', ''],
    ['-f', ' '],
    ['-r', '0'],
    ['-r', '1e3'],
    ['-r', '512M'],
    ['--vcpus', '-1'],
    ['-s', '0'],
    ['-s', '-4'],
    ['-s', '4G'],
    ['--vncport', 'x'],
    ['--wait', '1.5'],
    ['--no-such-option', 'x'],
  ])('is refused where it says %s %j', (option, value) => {
    expect(() => optionsOf([option, value])).toThrow(CommanderError);
  });

  it.each([
    ['-v -p', "Can't do both --hvm and --paravirt"],
    ['--pxe -l /a', 'Only one of --pxe, --location and --cdrom can be used'],
    ['-c /a -l /a', 'Only one of --pxe, --location and --cdrom can be used'],
    ['--pxe -c /a', 'Only one of --pxe, --location and --cdrom can be used'],
    ['--import -c /a', 'Only one of --import, --pxe, --location and --cdrom can be used'],
    ['-p --pxe', 'Network PXE boot is not support for paravirtualized guests'],
    ['-p --livecd -c /a', 'LiveCD installations are not supported for paravirt guests'],
    ['--livecd --pxe', '--livecd needs --cdrom'],
    ['--livecd --import', 'Only one of --livecd and --import can be used'],
    ['-v -l http://a/', '--location is for paravirtualized guests'],
    ['-p -c /a', '--cdrom is for fully virtualized guests'],
    ['-v -x text', '--extra-args goes to the kernel of --location'],
    ['-p --noacpi', '--noapic and --noacpi are for fully virtualized guests'],
    ['--nodisks -f /a', 'Cannot use --file with --nodisks'],
    ['--nodisks -s 1', 'Cannot use --file with --nodisks'],
    ['-f /a -f /b -s 1', 'Need to pass size for each disk'],
    ['-b br0 -w user', 'Cannot mix both --bridge and --network arguments'],
    ['--nonetworks -b br0', 'with --nonetworks'],
    ['-m RANDOM -m RANDOM', 'Need to pass equal numbers of networks & mac addresses'],
    ['-m RANDOM -b br0 -b br1', 'Need to pass equal numbers of networks & mac addresses'],
    ['--vnc --nographics', "Can't do both VNC graphics and nographics"],
    ['--vnc --sdl', "Can't do both VNC graphics and SDL"],
    ['--sdl --nographics', "Can't do both SDL and nographics"],
    ['--nographics --vncport 5901', '--vncport needs --vnc'],
    ['--force --prompt', "Can't do both --force and --prompt"],
    ['--connect qemu:///system', 'guests are made on this server'],
    ['--connect xenner', 'guests are made on this server'],
  ])('is refused where it says %s', (args, sentence) => {
    const failure = failureOf(() => refuseContradictions(optionsOf(args.split(' '))));
    expect(failure.code).toBe('BAD_VALUE');
    expect(failure.message).toContain(sentence);
  });

  it.each(['--connect xen', '--connect XEN:///', '-m RANDOM', '-m RANDOM -b br0', '-p -x text', '--livecd -c /a', ''])(
    'may say %j',
    args => {
      expect(() => refuseContradictions(optionsOf(args.split(' ').filter(word => word !== '')))).not.toThrow();
    },
  );
});
