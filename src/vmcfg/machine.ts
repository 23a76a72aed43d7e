import type { EndPolicy, GuestClock, MachineFeatures } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import { type EndAction, endActions } from '../model/guest-state.ts';
import type { ConfigKeys } from './config-keys.ts';

const MOST_CLOCK_OFFSET_SECONDS = 20 * 365 * 86_400;

export function machineFeaturesOf(keys: ConfigKeys): MachineFeatures {
  return {
    acpi: keys.flag('acpi') ?? true,
    apic: keys.flag('apic') ?? true,
    pae: keys.flag('pae') ?? true,
    hpet: keys.flag('hpet') ?? true,
    viridian: keys.flag('viridian') ?? false,
    timerMode: keys.integer('timer_mode', 0, 3) as MachineFeatures['timerMode'],
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
  const crash = keys.filledText('on_crash') ?? 'restart';
  const dumpsCore = crash.startsWith(COREDUMP);
  return {
    poweroff: actionOf(keys, 'on_poweroff', keys.filledText('on_poweroff') ?? 'destroy', endActions),
    reboot: actionOf(keys, 'on_reboot', keys.filledText('on_reboot') ?? 'restart', endActions),
    crash: dumpsCore
      ? actionOf(keys, 'on_crash', crash.slice(COREDUMP.length), ['destroy', 'restart'])
      : actionOf(keys, 'on_crash', crash, endActions),
    dumpsCore,
  };
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
