import { AgentError } from '../../src/errors.ts';
import { quote } from '../../src/model/guest-path.ts';
import { type NewGuest, type NewGuestCard, type NewGuestValue, parseNewGuest } from '../../src/model/new-guest.ts';
import type { Answers } from './answers.ts';
import type { InstallOptions } from './options.ts';
import { profileOf } from './os-table.ts';

/** The guest that was asked for, and what its owner should know about that. */
export interface Description {
  readonly guest: NewGuest;
  /** Sentences. */
  readonly notes: readonly string[];
}

/** @throws AgentError BAD_VALUE */
export function describeGuest(options: InstallOptions, answers: Answers): Description {
  const profile = profileOf(options.osType, options.osVariant);
  const isHvm = answers.type === 'hvm';
  const { advice, cardModel } = profile;
  const guest = parseNewGuest({
    type: answers.type,
    memory: answers.memory,
    vcpus: answers.vcpus,
    uuid: options.uuid,
    arch: options.arch,
    keys: { ...(isHvm ? profile.keys : {}), ...keysOf(options) },
    disks: answers.disks,
    vifs: cardsOf(options).map(card => (isHvm && cardModel !== undefined ? { ...card, model: cardModel } : card)),
    display: displayOf(options, answers),
    install: answers.install,
  });
  return { guest, notes: [...notesOn(options), ...(isHvm && advice !== undefined ? [advice] : [])] };
}

function keysOf(options: InstallOptions): Readonly<Record<string, NewGuestValue>> {
  const { cpuset, hostDevice, noacpi, noapic, noreboot } = options;
  return {
    ...(noapic === true ? { apic: 0 } : {}),
    ...(noacpi === true ? { acpi: 0 } : {}),
    ...(noreboot === true ? { on_reboot: 'destroy' } : {}),
    ...(cpuset === undefined || cpuset === 'auto' ? {} : { cpus: cpuset }),
    ...(hostDevice === undefined ? {} : { pci: hostDevice.map(pciAddressOf) }),
  };
}

/** Its address as lspci(8) shows it, or its name in libvirt, such as pci_0000_01_00_0. */
function pciAddressOf(device: string): string {
  const [, ...parts] = /^pci_([\da-f]{4})_([\da-f]{2})_([\da-f]{2})_([0-7])$/.exec(device) ?? [];
  if (parts.length > 0) return `${parts[0]}:${parts[1]}:${parts[2]}.${parts[3]}`;
  if (/^(?:[\da-f]{4}:)?[\da-f]{2}:[01][\da-f]\.[0-7]$/i.test(device)) return device;
  throw new AgentError(
    'BAD_VALUE',
    `--host-device ${quote(device)}: PCI devices can be handed through, by addresses such as 0000:01:00.0; USB devices cannot`,
  );
}

/** One card where nothing is said, as virtinst; which bridge it is on is then the agent's business. */
function cardsOf({ bridge, mac, network, nonetworks }: InstallOptions): readonly NewGuestCard[] {
  if (nonetworks === true) return [];
  const places = bridge?.map(name => ({ bridge: name })) ?? network?.map(networkOf) ?? [{}];
  return places.map((place, index) => {
    const address = mac?.[index];
    return address === undefined || address.toUpperCase() === 'RANDOM' ? place : { mac: address, ...place };
  });
}

function networkOf(text: string): NewGuestCard {
  if (text === 'user') return {};
  const [, kind, name = ''] = /^(bridge|network)[:=](.*)$/.exec(text) ?? [];
  if (kind === 'bridge') return { bridge: name };
  if (kind === 'network') {
    throw new AgentError(
      'BAD_VALUE',
      `--network ${quote(text)}: there are no virtual networks here; give bridge:NAME, the bridge it would stand for`,
    );
  }
  throw new AgentError('BAD_VALUE', `Unknown network type ${quote(text)}; bridge:NAME and user are known`);
}

function displayOf({ keymap, vncport }: InstallOptions, { display }: Answers): object {
  return { type: display, keymap, ...(display === 'vnc' ? { port: vncport } : {}) };
}

/** What an option comes to that does not do what it did. */
function notesOn(options: InstallOptions): readonly string[] {
  const { cpuset, network, noreboot, sdl, sound, soundhw } = options;
  const all: readonly (readonly [boolean, string])[] = [
    [sdl === true, 'Displays are offered over VNC: nobody is shown one of --sdl. Its first serial port is a console.'],
    [sound === true || soundhw !== undefined, 'There are no sound devices: --sound and --soundhw were left out.'],
    [cpuset === 'auto', '--cpuset auto: the guest may run on all processors.'],
    [
      network?.includes('user') === true,
      "--network user: the card is on the server's usual bridge, or where it has none on a network of its own.",
    ],
    [
      noreboot === true,
      "--noreboot: on_reboot = 'destroy' stands in its vm.cfg, so that it stops at every reboot; change it to 'restart' after the installation.",
    ],
  ];
  return all.filter(([holds]) => holds).map(([, note]) => note);
}
