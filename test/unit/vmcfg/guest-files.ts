import {
  type ConfigValue,
  GuestFileError,
  type HostFacts,
  parseGuestFile,
  type ReaderLimits,
} from '../../../src/vmcfg/reader.ts';

export const facts64: HostFacts = {
  uname: {
    sysname: 'Linux',
    nodename: 'ovs1.example.com',
    release: '2.6.18-128.2.1.4.9.el5xen',
    version: '#1 SMP Fri Oct 9 14:57:31 EDT 2009',
    machine: 'x86_64',
  },
};

export const facts32: HostFacts = { uname: { ...facts64.uname, machine: 'i686' } };

/** Form of the guide's appendix C: a paravirtual guest. */
export const paravirtualFile = `bootloader = '/usr/bin/pygrub'
disk = ['file:/OVS/running_pool/10_EL5_PVM/System.img,xvda,w',
'file:/OVS/running_pool/10_EL5_PVM/u01.img,xvdb,w',
]
memory = '1024'
name = '10_EL5_PVM'
on_crash = 'restart'
on_reboot = 'restart'
uuid = 'd9ee4cfc-7f1a-4f0e-b7a1-3a6e5fd0a4b2'
vcpus = 1
vfb = ['type=vnc,vncunused=1,vnclisten=0.0.0.0,vncpasswd=welcome1']
vif = ['mac=00:16:3E:43:FD:1B, bridge=xenbr0',
'mac=00:16:3E:43:FD:1C, bridge=xenbr1',
]
vif_other_config = []
`;

/** Form of the guide's appendix C: a hardware-virtualized guest. */
export const hardwareFile = `acpi = 1
apic = 1
builder = 'hvm'
device_model = '/usr/lib/xen/bin/qemu-dm'
disk = ['file:/OVS/running_pool/12_win/System.img,hda,w',
',hdc:cdrom,r',
]
kernel = '/usr/lib/xen/boot/hvmloader'
memory = '512'
name = '12_win'
on_crash = 'restart'
on_reboot = 'restart'
pae = 1
sdl = 0
serial = 'pty'
timer_mode = '0'
usbdevice = 'tablet'
uuid = '5e1f4e0c-9c1a-4b8e-a0e5-0d3b7a1c2f6d'
vcpus = 1
vif = ['type=ioemu, mac=00:16:3E:5A:0C:7E, bridge=xenbr0']
vif_other_config = []
vnc = 1
vncconsole = 1
vnclisten = '0.0.0.0'
vncpasswd = 'welcome1'
vncunused = 1
`;

/** The guide's section 4.7: one file for servers of 32 and of 64 bits. */
export const anyArchitectureFile = `import os, re
arch = os.uname()[4]
if re.search('64', arch):
    arch_libdir = 'lib64'
    device_model = '/usr/lib64/xen/bin/qemu-dm'
else:
    arch_libdir = 'lib'
    device_model = '/usr/lib/xen/bin/qemu-dm'
kernel = "/usr/lib/xen/boot/hvmloader"
builder = 'hvm'
`;

/** In the manner of the example files that come with Xen. */
export const exampleFile = `#  -*- mode: python; -*-
#============================================================================
# Python configuration setup for 'xm create'.
#============================================================================

import os, re
arch = os.uname()[4]
if os.uname()[0] == 'Linux' and re.search('64', arch):
    arch_libdir = 'lib64'
else:
    arch_libdir = 'lib'

#----------------------------------------------------------------------------
# Kernel image file.
kernel = "/boot/vmlinuz-2.6.10-xenU"

# Optional ramdisk.
#ramdisk = "/boot/initrd.gz"

memory = 64

# A name for your domain. All domains must have different names.
vmid = 3
name = "ExampleDomain%d" % vmid

#cpus = "0-3,5,^1" # all vcpus run on cpus 0,2,3,5
vcpus = 1

vif = [ 'mac=00:16:3e:00:00:11, bridge=xenbr0' ]   # one card
disk = [ 'phy:hda1,hda1,w' ]
disk.append('file:/var/images/%s.img,hdb,w' % name)

# Set root device.
root = "/dev/hda1 ro"

# Sets runlevel 4.
extra = "4 " + \\
        "VMID=%d" % vmid

on_poweroff = 'destroy'; on_reboot   = 'restart'
on_crash    = 'restart'
device_model = '/usr/' + arch_libdir + '/xen/bin/qemu-dm'
`;

/** The value of `x` in a file, on a server of 64 bits. */
export function valueOf(text: string, limits?: ReaderLimits): ConfigValue {
  const entry = parseGuestFile(text, facts64, limits).get('x');
  if (!entry) throw new Error(`nothing sets x in ${text}`);
  return entry.value;
}

/** The names of a file with their values. */
export function valuesOf(text: string, facts = facts64): Record<string, ConfigValue> {
  return Object.fromEntries([...parseGuestFile(text, facts).values()].map(({ name, value }) => [name, value]));
}

/** The message with which a file is refused. */
export function refusalOf(text: string, limits?: ReaderLimits): string {
  try {
    parseGuestFile(text, facts64, limits);
  } catch (error) {
    if (error instanceof GuestFileError) return error.message;
    throw error;
  }
  throw new Error(`${text} is read`);
}
