import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseGuestPath } from '../../../src/model/guest-path.ts';
import { GuestReader } from '../../../src/vmcfg/guest-reader.ts';
import { makeParavirtual } from '../../../src/vmcfg/paravirtual.ts';

const path = parseGuestPath('/OVS/running_pool/guest');
const uname = { sysname: 'Linux', nodename: 'server', release: '6.1', version: '1', machine: 'x86_64' };
const names = new Map([
  ['hda', 'xvda'],
  ['hdc', 'xvdc'],
]);

function converted(text: string): string {
  const edited = new GuestReader({ uname }).edit(Buffer.from(text), path, editor => makeParavirtual(editor, names));
  return Buffer.from(edited).toString();
}

describe('a guest file that is made paravirtual', () => {
  it('of a guest made by hand has pygrub, a frame buffer and paravirtual disks, and all else as it was', () => {
    const file = join(import.meta.dirname, '../../golden/files/qemu/guide-hvm-by-hand.cfg');
    expect(
      converted(readFileSync(file, 'utf8')),
    ).toBe(`# Form of the guide's section 4.3: a hardware-virtualized guest made by hand, installed from a CD.
name = 'guide_hvm'
memory = '512'
disk = [ 'file:/OVS/running_pool/guide_hvm/System.img,xvda,w', 'file:/OVS/iso_pool/el5/disc1.iso,xvdc:cdrom,r' ]
vif = [ '' ]
on_reboot = 'restart'
on_crash = 'restart'
bootloader = '/usr/bin/pygrub'
vfb = ['type=vnc']
`);
  });

  it('of a template keeps the settings of its display, and loses its empty drive', () => {
    const file = join(import.meta.dirname, '../../golden/files/qemu/guide-template-hvm.cfg');
    const text = converted(readFileSync(file, 'utf8'));
    expect(text).toContain("vfb = ['type=vnc,vncunused=1,vnclisten=0.0.0.0,vncpasswd=ovsroot,keymap=en-us']\n");
    expect(text).toContain("disk = ['file:/OVS/seed_pool/OVM_EL5U3_X86_HVM/System.img,xvda,w',\n]");
    expect(text).not.toMatch(/^(?:builder|kernel|device_model|acpi|apic|pae|serial|vnc\w*|usbdevice|boot|keymap)\b/m);
  });

  it('keeps comments, and what else a card says', () => {
    const text = converted(
      "builder = 'hvm'\n# the one and only disk\ndisk = ['file:/OVS/running_pool/guest/System.img,hda,w'] # fast\n" +
        "vif = ['type=ioemu, mac=00:16:3e:00:00:01, model=e1000, bridge=xenbr0']\n",
    );
    expect(text).toBe(
      "# the one and only disk\ndisk = ['file:/OVS/running_pool/guest/System.img,xvda,w'] # fast\n" +
        "vif = ['mac=00:16:3e:00:00:01, bridge=xenbr0']\nbootloader = '/usr/bin/pygrub'\n",
    );
  });

  it('is refused where a password has a comma, which would open the display', () => {
    const text = "builder = 'hvm'\ndisk = []\nvnc = 1\nvncpasswd = 'a,b'\n";
    expect(() => converted(text)).toThrow(/vncpasswd: it has a comma, which a frame buffer cannot hold/);
  });
});
