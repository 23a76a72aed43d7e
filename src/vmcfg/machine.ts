import {
  type EndPolicy,
  type GuestClock,
  type GuestConfig,
  hostShutdownActions,
  type MachineFeatures,
} from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import { type EndAction, endActions } from '../model/guest-state.ts';
import type { ConfigKeys } from './config-keys.ts';

const MOST_CLOCK_OFFSET_SECONDS = 20 * 365 * 86_400;

/** Defaults are those of xm (xen/xm/create.py). */
export function machineFeaturesOf(keys: ConfigKeys, kind: GuestConfig['kind']): MachineFeatures {
  return {
    acpi: keys.flag('acpi') ?? true,
    apic: keys.flag('apic') ?? true,
    pae: keys.flag('pae') ?? true,
    hpet: keys.flag('hpet') ?? kind === 'para',
    viridian: keys.flag('viridian') ?? false,
    timerMode: (keys.integer('timer_mode', 0, 3) ?? (kind === 'hvm' ? 1 : undefined)) as MachineFeatures['timerMode'],
  };
}

export function clockOf(keys: ConfigKeys): GuestClock {
  return {
    localTime: keys.flag('localtime') ?? false,
    offsetSeconds: keys.integer('rtc_timeoffset', -MOST_CLOCK_OFFSET_SECONDS, MOST_CLOCK_OFFSET_SECONDS) ?? 0,
  };
}

const COREDUMP = 'coredump-';

/**
 * on_poweroff, on_reboot and on_crash (xl.cfg(5)); only a crash has the forms that dump memory first. To keep the domain
 * that crashed under another name and to run the guest again comes to the same as coredump-restart.
 */
export function endPolicyOf(keys: ConfigKeys): EndPolicy {
  const standard = standardEnds(keys);
  const crash = keys.filledText('on_crash') ?? standard.crash;
  const dumpsCore = crash.startsWith(COREDUMP) || crash === 'rename-restart';
  return {
    poweroff: actionOf(keys, 'on_poweroff', keys.filledText('on_poweroff') ?? standard.poweroff, endActions),
    reboot: actionOf(keys, 'on_reboot', keys.filledText('on_reboot') ?? standard.reboot, endActions),
    crash: crashActionOf(keys, crash),
    dumpsCore,
  };
}

function crashActionOf(keys: ConfigKeys, text: string): EndAction {
  if (text === 'rename-restart') return 'restart';
  return text.startsWith(COREDUMP)
    ? actionOf(keys, 'on_crash', text.slice(COREDUMP.length), ['destroy', 'restart'])
    : actionOf(keys, 'on_crash', text, endActions);
}

/** on_xend_start and on_xend_stop (xm/create.py). */
export function hostActionsOf(keys: ConfigKeys): Pick<GuestConfig, 'hostBoot' | 'hostShutdown'> {
  return {
    hostBoot: choiceOf(keys, 'on_xend_start', ['ignore', 'start']) === 'start',
    hostShutdown: choiceOf(keys, 'on_xend_stop', hostShutdownActions),
  };
}

function choiceOf<T extends string>(keys: ConfigKeys, key: string, choices: readonly T[]): T | undefined {
  const text = keys.filledText(key);
  if (text === undefined) return undefined;
  const choice = choices.find(known => known === text);
  return choice ?? keys.fail(key, `${quote(text)} cannot be done here; write one of ${choices.join(', ')}`);
}

/** What holds where the three are missing: xm's own, or what its older key `restart` says. */
function standardEnds(keys: ConfigKeys): Readonly<Record<'poweroff' | 'reboot' | 'crash', EndAction>> {
  const restart = keys.filledText('restart');
  switch (restart) {
    case undefined:
      return { poweroff: 'destroy', reboot: 'restart', crash: 'restart' };
    case 'always':
      return { poweroff: 'restart', reboot: 'restart', crash: 'restart' };
    case 'never':
      return { poweroff: 'destroy', reboot: 'destroy', crash: 'destroy' };
    case 'onreboot':
      return { poweroff: 'destroy', reboot: 'restart', crash: 'destroy' };
    default:
      return keys.fail('restart', `${quote(restart)} is none of always, never and onreboot`);
  }
}

function actionOf(keys: ConfigKeys, key: string, text: string, actions: readonly EndAction[]): EndAction {
  const more = key === 'on_crash' ? ', coredump-destroy, coredump-restart' : '';
  const choices = `${endActions.join(', ')}${more}`;
  const action = actions.find(known => known === text);
  return action ?? keys.fail(key, `${quote(keys.text(key) ?? text)} cannot be done here; write one of ${choices}`);
}

/** The device model is part of the hypervisor: names of Xen's are understood and change nothing, others are refused. */
export function requireKnownDeviceModel(keys: ConfigKeys): void {
  const program = keys.filledText('device_model');
  if (program === undefined || /(?:^|\/)(?:qemu-dm|stubdom-dm)$/.test(program)) return;
  keys.fail('device_model', `${quote(program)} is not run; remove the key, the hypervisor has its own`);
}
