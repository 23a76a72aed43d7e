import type { AgentLog } from '../services/agent-log.ts';
import type { AgentStatus } from '../services/agent-status.ts';
import type { Credentials } from '../services/credentials.ts';
import type { Databases } from '../services/databases.ts';
import type { DomainList } from '../services/domain-list.ts';
import type { GuestCatalog } from '../services/guest-catalog.ts';
import type { GuestChecks } from '../services/guest-checks.ts';
import type { GuestConfiguration } from '../services/guest-configuration.ts';
import type { GuestConsoles } from '../services/guest-consoles.ts';
import type { GuestLifecycle } from '../services/guest-lifecycle.ts';
import type { GuestMembership } from '../services/guest-membership.ts';
import type { HostFigures } from '../services/host-figures.ts';
import type { Neighbours } from '../services/neighbours.ts';
import type { Performance } from '../services/performance.ts';
import type { Introspection } from './introspection.ts';

/** What methods can ask for. */
export interface Services {
  readonly agentLog: AgentLog;
  readonly agentStatus: AgentStatus;
  readonly credentials: Credentials;
  readonly databases: Databases;
  readonly domainList: DomainList;
  readonly guestCatalog: GuestCatalog;
  readonly guestChecks: GuestChecks;
  readonly guestConfiguration: GuestConfiguration;
  readonly guestConsoles: GuestConsoles;
  readonly guestLifecycle: GuestLifecycle;
  readonly guestMembership: GuestMembership;
  readonly hostFigures: HostFigures;
  readonly introspection: Introspection;
  readonly neighbours: Neighbours;
  readonly performance: Performance;
}
