import { systemClock } from '../../src/host/clock.ts';
import { type LocalAgent, pairsOf } from './agent.ts';

/** `xm info`: a line for each key. */
export async function describeHost(agent: LocalAgent): Promise<string> {
  const pairs = pairsOf(await agent.act('xen_get_xm_info'));
  return [...pairs].map(([key, value]) => `${key.padEnd(22)} : ${value}\n`).join('');
}

/** What the hypervisor said of its own accord. */
export async function hypervisorMessages(agent: LocalAgent): Promise<string> {
  return String(await agent.ask('get_hypervisor_log'));
}

/** The agent's log, which is what xend.log was. */
export async function agentLog(agent: LocalAgent, lines: number): Promise<string> {
  const log = (await agent.ask('get_log', 'ovs_trace', lines)) as readonly string[];
  return log.map(line => `${line}\n`).join('');
}

/** `xm uptime`: how long each domain has run. */
export async function uptimes(agent: LocalAgent, wanted: readonly string[]): Promise<string> {
  const [domains, guests] = await Promise.all([agent.domains(), agent.guests()]);
  const since = new Map(guests.map(guest => [guest.path, (guest as { running_since?: string }).running_since]));
  for (const name of wanted) await agent.find(name);
  const rows = domains
    .filter(
      row =>
        row.path !== '' &&
        (wanted.length === 0 || [row.name, row.path, String(row.id)].some(key => wanted.includes(key))),
    )
    .map(({ id, name, path }) => `${name.padEnd(33)} ${String(id).padStart(4)} ${span(since.get(path))}\n`);
  return `${'Name'.padEnd(33)} ${'ID'.padStart(4)} Uptime\n${rows.join('')}`;
}

function span(since: string | undefined): string {
  if (since === undefined) return 'unknown';
  const seconds = Math.max(0, Math.floor((systemClock.now() - Date.parse(since)) / 1000));
  const clock = [Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  const [hours, ...rest] = clock.map(part => String(part).padStart(2, '0'));
  const days = Math.floor(seconds / 86_400);
  return `${days > 0 ? `${days} days, ` : ''}${Number(hours)}:${rest.join(':')}`;
}
