import { describe, expect, it } from 'vitest';
import { parseTreeInfo } from '../../../src/install-trees/treeinfo.ts';
import { failureOf } from '../../support/failure-of.ts';

const SUM = 'a'.repeat(64);

/** As Red Hat Enterprise Linux 5 wrote it. */
const OLD = `[general]
family = Enterprise Linux Server
timestamp = 1295034026.78
totaldiscs = 1
version = 5.6
packagedir = Server
arch = x86_64

[images-x86_64]
kernel = images/pxeboot/vmlinuz
initrd = images/pxeboot/initrd.img
boot.iso = images/boot.iso

[images-xen]
kernel = images/xen/vmlinuz
initrd = images/xen/initrd.img
`;

/** As productmd writes it. */
const NEW = `[checksums]
images/pxeboot/initrd.img = sha256:${SUM}
images/pxeboot/vmlinuz = md5:0123
images/boot.iso = sha256:none

[general]
; WARNING.0 = This section provides compatibility with pre-productmd treeinfos.
arch = x86_64
family = Fedora
name = Fedora 39
version = 39
platforms = x86_64,xen

[header]
type = productmd.treeinfo
version = 1.2

[images-x86_64]
initrd = images/pxeboot/initrd.img
kernel = images/pxeboot/vmlinuz

[images-xen]
initrd = images/pxeboot/initrd.img
kernel = images/pxeboot/vmlinuz

[release]
name = Fedora
short = Fedora
version = 39

[tree]
variants = Everything
`;

const xen = { kind: 'xen', architecture: 'x86_64' } as const;
const hvm = { kind: 'hvm', architecture: 'x86_64' } as const;
const PXE = { kernel: 'images/pxeboot/vmlinuz', ramdisk: 'images/pxeboot/initrd.img' };
const XEN = { kernel: 'images/xen/vmlinuz', ramdisk: 'images/xen/initrd.img' };

function imagesText(kernel: string, ramdisk = 'initrd.img'): string {
  return `[images-x86_64]\nkernel = ${kernel}\ninitrd = ${ramdisk}\n`;
}

describe('the .treeinfo of a tree', () => {
  it('of old tells the kernel for paravirtual guests from that for others', () => {
    expect(parseTreeInfo(OLD, xen)).toMatchObject({
      family: 'redhat',
      distribution: 'Enterprise Linux Server',
      version: '5.6',
      places: [XEN, PXE],
    });
    expect(parseTreeInfo(OLD, hvm)?.places).toEqual([PXE]);
  });

  it('of today tells checksums as well, of which those of other kinds are left out', () => {
    const info = parseTreeInfo(NEW, xen);
    expect(info).toMatchObject({ family: 'redhat', distribution: 'Fedora', version: '39', places: [PXE, PXE] });
    expect([...info!.checksums]).toEqual([['images/pxeboot/initrd.img', SUM]]);
  });

  it('of SUSE is known as that', () => {
    const text = `[general]\nfamily = openSUSE Leap\nversion = 15.5\n${imagesText('boot/x86_64/loader/linux')}`;
    expect(parseTreeInfo(text, xen)).toMatchObject({ family: 'suse', version: '15.5' });
  });

  it('that has no names of its own takes those of the release', () => {
    const text = `[release]\nname = Oracle Linux\nversion = 9.3\n${imagesText('vmlinuz')}`;
    expect(parseTreeInfo(text, hvm)).toMatchObject({ distribution: 'Oracle Linux', version: '9.3' });
  });

  it.each([
    ['of another architecture', OLD, { kind: 'hvm', architecture: 'i386' } as const],
    ['that is a page', '<html><body>kernel = x, initrd = y</body></html>', hvm],
    ['that is empty', '', hvm],
    ['without a ramdisk', '[images-x86_64]\nkernel = vmlinuz\n', hvm],
    ['with a list for a text', '[images-x86_64]\nkernel[] = vmlinuz\ninitrd = initrd.img\n', hvm],
    ['with a key alone', '[images-x86_64]\nkernel\ninitrd = initrd.img\n', hvm],
    [
      'with sections for the prototype',
      '[__proto__]\nkernel = a\ninitrd = b\n[images-x86_64.__proto__]\nkernel=a\n',
      hvm,
    ],
  ])('%s is not understood', (_what, text, wanted) => {
    expect(parseTreeInfo(text, wanted)).toBeUndefined();
    expect(({} as Record<string, unknown>)['kernel']).toBeUndefined();
  });

  it.each([
    '../vmlinuz',
    'images/../../vmlinuz',
    '/etc/passwd',
    'http://elsewhere/vmlinuz',
    'images//vmlinuz',
    './vmlinuz',
    '.hidden/vmlinuz',
    '%2e%2e/vmlinuz',
    'a b',
    'a$b',
    '-o',
    'a\\b',
    `a/${'b'.repeat(512)}`,
  ])('that names the file %s is refused', path => {
    for (const text of [imagesText(path), imagesText('vmlinuz', path)]) {
      const result = (): unknown => parseTreeInfo(text, hvm);
      if (path.length > 512) expect(result()).toBeUndefined();
      else expect(failureOf(result).code).toBe('NOT_SUPPORTED');
    }
  });
});
