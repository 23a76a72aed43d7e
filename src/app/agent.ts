import { mkdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { AddressRules } from '../config/address-pattern.ts';
import type { AgentPaths } from '../config/paths.ts';
import { effectiveLogLevel } from '../config/effective.ts';
import { readSettingsFile, type Settings } from '../config/settings.ts';
import { readXendConfig, type XendConfig } from '../config/xend-config.ts';
import { AgentError, messageOf } from '../errors.ts';
import { makePrivateDirectory } from '../host/atomic-file.ts';
import type { Clock } from '../host/clock.ts';
import { ownAddresses } from '../host/inventory.ts';
import { createLog, type Log, type LogLevel } from '../host/log.ts';
import { resolveNames } from '../host/name-lookup.ts';
import { findPortOwner } from '../host/port-owner.ts';
import { RotatingFile } from '../host/rotating-file.ts';
import { Authenticator } from '../wire/authentication.ts';
import { type AgentCertificate, ensureCertificate, publicKeyFingerprint } from '../wire/certificate.ts';
import { ConsoleEndpoint } from '../wire/console-endpoint.ts';
import { CredentialFile } from '../wire/credential-file.ts';
import { EventEndpoint } from '../wire/event-endpoint.ts';
import type { WireLimits } from '../wire/limits.ts';
import { Listeners } from '../wire/listeners.ts';
import { methodPage } from '../wire/method-page.ts';
import { RpcEndpoint } from '../wire/rpc-endpoint.ts';
import { type Core, openCore } from './core.ts';
import { listenAsXend } from './xend-listeners.ts';

export interface AgentParts {
  readonly paths: AgentPaths;
  readonly settingsFile: string;
  readonly version: string;
  readonly processId: number;
  readonly searchPath: string;
  /** Compiled program that works on the files of a repository. */
  readonly storageHelper: string;
  readonly clock: Clock;
  /** Where lines go beside the log file, such as a terminal. */
  readonly terminal: { write(line: string): void } | undefined;
}

/** The whole agent, listening. */
export interface Agent {
  readonly log: Log;
  readonly core: Core;
  readonly listeningOn: readonly string[];
  /** Reads allow, deny and the log level again, and opens the log files anew. */
  reload(): void;
  /** Finishes the calls in flight and closes everything. Guests live on. */
  stop(): Promise<void>;
}

/** Time for clients to take the last events of an agent that stops. */
const LAST_EVENTS_MS = 1000;
const CERTIFICATE_CHECK_MS = 12 * 3_600_000;

/**
 * Starts the agent.
 * @throws AgentError with what to mend when a setting, a file, the hypervisor or a port stands in the way
 */
export async function openAgent(parts: AgentParts): Promise<Agent> {
  const { clock, paths } = parts;
  let settings = readSettingsFile(parts.settingsFile);
  const xend = readXendConfig(paths.xendConfigFile);
  const logs = openLogs(parts, settings, xend);
  const { log } = logs;
  const credentialFile = new CredentialFile(paths.passwordFile, log);
  credentialFile.load();
  const rules = (now: Settings): AddressRules => new AddressRules(now.allow, now.deny, resolveNames(clock));

  let certificate = settings.ssl ? await certificateFor(parts, settings, log) : undefined;
  let listeningOn: readonly string[] = [];
  const core = await openCore({
    paths,
    settings,
    xend,
    version: parts.version,
    processId: parts.processId,
    searchPath: parts.searchPath,
    storageHelper: parts.storageHelper,
    log,
    audit: logs.audit,
    clock,
    credentials: {
      async update(caller, user, oldPassword, newPassword) {
        await credentialFile.update(user, oldPassword, newPassword);
        caller.log.info({ changed: user }, 'password changed');
      },
    },
    listeningOn: () => listeningOn,
    certificateFingerprint: () => certificate && publicKeyFingerprint(certificate.certificate),
  });

  const limits = wireLimits(settings);
  const authenticator = new Authenticator({ users: () => credentialFile.users(), clock, ...settings.authentication });
  const consoles = new ConsoleEndpoint({
    consoles: core.guestConsoles,
    authenticator,
    users: () => credentialFile.users(),
    patienceMs: limits.bodyTimeMs,
    audit: logs.audit,
    log,
  });
  const events = new EventEndpoint({
    events: core.eventLog,
    users: () => credentialFile.users(),
    streams: settings.events.streams,
    patienceMs: limits.bodyTimeMs,
    clock,
    log,
  });
  credentialFile.onChange(() => {
    authenticator.forgetAll();
    consoles.checkUsers();
    events.checkUsers();
  });
  const page = methodPage(core.registry.methods, parts.version);
  const endpoint = new RpcEndpoint(
    {
      dispatch: (call, method, params) => core.dispatcher.dispatch(call, method, params),
      authenticator,
      events,
      limits,
      page: () => page,
      log,
    },
    Math.floor(clock.now() / 1000).toString(36),
  );
  const listeners = new Listeners({
    endpoint,
    consoles,
    guard: rules(settings),
    limits,
    tls: certificate,
    portOwner: findPortOwner,
    log,
  });
  const watcher = credentialFile.watch();
  const renewal = clock.every(CERTIFICATE_CHECK_MS, () => void renewCertificate());
  const close = async (): Promise<void> => {
    renewal.cancel();
    watcher.close();
    endpoint.close();
    listeners.stopAccepting();
    await core.stop();
    consoles.closeAll();
    await events.drained(LAST_EVENTS_MS);
    listeners.closeAll();
    logs.close();
  };
  try {
    const own = await listeners.listen(settings.listen, settings.port);
    const bound = [...own, ...(await listenAsXend(listeners, xend, paths))];
    listeningOn = bound.map(({ address, port }) =>
      address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
    );
    await listeners.listenLocally(paths.controlSocket);
  } catch (error) {
    await close();
    throw error;
  }
  core.eventLog.emit({
    kind: 'server',
    summary: `the agent has started, version ${parts.version}`,
    data: { change: 'started', version: parts.version, process: parts.processId },
  });
  log.info({ version: parts.version, listeningOn, ssl: settings.ssl, root: paths.root }, 'the agent is ready');

  async function renewCertificate(): Promise<void> {
    if (!certificate) return;
    try {
      const now = await certificateFor(parts, settings, log);
      if (now.made === 'renewed') listeners.replaceTls(now);
      certificate = now;
    } catch (error) {
      log.error({ err: error }, 'the certificate could not be renewed');
    }
  }

  return {
    log,
    core,
    listeningOn,
    reload() {
      logs.reopen();
      try {
        // All are read before one takes effect: a mistake in one changes nothing.
        const now = readSettingsFile(parts.settingsFile);
        const level = effectiveLogLevel(now, readXendConfig(paths.xendConfigFile));
        credentialFile.load();
        settings = now;
        listeners.replaceGuard(rules(settings));
        logs.setLevel(level);
        log.info('allow, deny, the log level and the users were read again');
      } catch (error) {
        log.error(
          { err: error, reason: messageOf(error) },
          'the settings cannot be read; the agent goes on with those it has',
        );
      }
    },
    async stop() {
      log.info('the agent stops; guests go on');
      core.eventLog.emit({ kind: 'server', summary: 'the agent stops; guests go on', data: { change: 'stopping' } });
      await close();
    },
  };
}

interface Logs {
  readonly log: Log;
  readonly audit: Log;
  reopen(): void;
  setLevel(level: LogLevel): void;
  close(): void;
}

function openLogs({ paths, terminal }: AgentParts, settings: Settings, xend: XendConfig): Logs {
  const { fileBytes, filesKept } = settings.log;
  makePrivateDirectory(paths.logDirectory);
  const open = (file: string): RotatingFile => new RotatingFile(file, fileBytes, filesKept);
  const trace = [open(join(paths.logDirectory, 'ovs_trace.log'))];
  if (xend.says('logFile') && xend.values.logFile !== '') trace.push(openXendLog(xend, paths, open));
  const auditFile = open(join(paths.logDirectory, 'audit.log'));
  const files = [...trace, auditFile];
  const log = createLog(effectiveLogLevel(settings, xend), terminal ? [...trace, terminal] : trace);
  return {
    log,
    audit: createLog('info', [auditFile]),
    reopen: () => files.forEach(file => file.reopen()),
    setLevel(now) {
      log.level = now;
    },
    close: () => files.forEach(file => file.close()),
  };
}

/**
 * The file that xend-config.sxp names for the log.
 * @throws AgentError BAD_CONFIG when it cannot be one: a full log file is renamed, which a device would not survive
 */
function openXendLog(
  { file, values: { logFile } }: XendConfig,
  paths: AgentPaths,
  open: (file: string) => RotatingFile,
): RotatingFile {
  const place = paths.onDisk(logFile);
  try {
    if (place.startsWith(`${paths.logDirectory}/`)) throw new Error("the agent's own logs lie there");
    if (statSync(place, { throwIfNoEntry: false })?.isFile() === false) throw new Error('it is no file');
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 });
    return open(place);
  } catch (cause) {
    throw new AgentError('BAD_CONFIG', `${file}: logfile ${place}: ${messageOf(cause)}; name another file`, { cause });
  }
}

async function certificateFor({ clock, paths }: AgentParts, settings: Settings, log: Log): Promise<AgentCertificate> {
  const addresses = settings.address === null ? ownAddresses() : [settings.address, ...ownAddresses()];
  const found = await ensureCertificate({
    directory: paths.certificateDirectory,
    names: [...new Set([hostname(), 'localhost'])].filter(name => /^[A-Za-z0-9.-]+$/.test(name)),
    addresses: [...new Set([...addresses, '127.0.0.1', '::1'])],
    ...settings.certificate,
    clock,
  });
  if (found.made !== 'kept')
    log.info({ made: found.made, notAfter: found.notAfter.toISOString() }, 'the certificate of the agent');
  if (found.notAfter.getTime() < clock.now()) {
    log.warn({ notAfter: found.notAfter.toISOString() }, 'the certificate has expired; put a new one in its place');
  }
  return found;
}

function wireLimits({ limits }: Settings): WireLimits {
  const { xmlDepth, xmlValues, ...others } = limits;
  return { ...others, document: { depth: xmlDepth, values: xmlValues } };
}
