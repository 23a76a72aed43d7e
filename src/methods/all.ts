import type { RegisteredMethod } from '../rpc/method.ts';
import { agentMethods } from './agent.ts';
import { foreignGuestMethods } from './foreign-guests.ts';
import { eventMethods } from './events.ts';
import { guestConfigurationMethods } from './guest-configuration.ts';
import { guestDeviceMethods } from './guest-devices.ts';
import { guestLifecycleMethods } from './guest-lifecycle.ts';
import { guestRecordMethods } from './guest-records.ts';
import { hostPowerMethods } from './host-power.ts';
import { hostMethods } from './host.ts';
import { performanceMethods } from './performance.ts';
import { jobMethods } from './jobs.ts';
import { systemMethods } from './system.ts';

/** Every method of the agent. */
export const allMethods: readonly RegisteredMethod[] = [
  ...agentMethods,
  ...foreignGuestMethods,
  ...eventMethods,
  ...guestConfigurationMethods,
  ...guestDeviceMethods,
  ...guestLifecycleMethods,
  ...guestRecordMethods,
  ...hostMethods,
  ...performanceMethods,
  ...hostPowerMethods,
  ...jobMethods,
  ...systemMethods,
];
