import type { RegisteredMethod } from '../rpc/method.ts';
import { agentMethods } from './agent.ts';
import { foreignGuestMethods } from './foreign-guests.ts';
import { eventMethods } from './events.ts';
import { guestConfigurationMethods } from './guest-configuration.ts';
import { guestCreationMethods } from './guest-creation.ts';
import { guestDeviceMethods } from './guest-devices.ts';
import { guestLifecycleMethods } from './guest-lifecycle.ts';
import { guestRecordMethods } from './guest-records.ts';
import { hostPowerMethods } from './host-power.ts';
import { hostMethods } from './host.ts';
import { performanceMethods } from './performance.ts';
import { repositoryMethods } from './repositories.ts';
import { poolImageMethods } from './pool-images.ts';
import { templateMethods } from './templates.ts';
import { jobMethods } from './jobs.ts';
import { systemMethods } from './system.ts';

/** Every method of the agent. */
export const allMethods: readonly RegisteredMethod[] = [
  ...agentMethods,
  ...foreignGuestMethods,
  ...eventMethods,
  ...guestConfigurationMethods,
  ...guestCreationMethods,
  ...guestDeviceMethods,
  ...guestLifecycleMethods,
  ...guestRecordMethods,
  ...hostMethods,
  ...performanceMethods,
  ...hostPowerMethods,
  ...repositoryMethods,
  ...templateMethods,
  ...poolImageMethods,
  ...jobMethods,
  ...systemMethods,
];
