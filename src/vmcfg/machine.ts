import type { EndPolicy, GuestClock, GuestConfig, MachineFeatures } from '../model/guest-config.ts';
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

/** on_poweroff, on_reboot and on_crash (xl.cfg(5)); only a crash has the forms that dump memory first. */
export function endPolicyOf(keys: ConfigKeys): EndPolicy {
  const standard = standardEnds(keys);
  const crash = keys.filledText('on_crash') ?? standard.crash;
  const dumpsCore = crash.startsWith(COREDUMP);
  return {
    poweroff: actionOf(keys, 'on_poweroff', keys.filledText('on_poweroff') ?? standard.poweroff, endActions),
    reboot: actionOf(keys, 'on_reboot', keys.filledText('on_reboot') ?? standard.reboot, endActions),
    crash: dumpsCore
      ? actionOf(keys, 'on_crash', crash.slice(COREDUMP.length), ['destroy', 'restart'])
      : actionOf(keys, 'on_crash', crash, endActions),
    dumpsCore,
  };
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
