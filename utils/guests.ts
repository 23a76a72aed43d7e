import type { AgentPaths } from '../src/config/paths.ts';
import { askLocalAgent, callAgentOrActAlone } from './local-agent.ts';
import { EXIT, printJson } from './program.ts';

/** As long as guests may take to stop. */
const POWER_MS = 25 * 3_600_000;

/** A guest that the agent found running and has no record of. */
interface ForeignGuest {
  readonly id: string;
  readonly name: string;
  readonly adoptable: boolean;
  readonly ignored: boolean;
  readonly reason: string;
}

/** Starts or stops the guests that go with this server, and says which did. Exit code 1 when some did not. */
export async function powerGuests(paths: AgentPaths, way: 'start' | 'stop'): Promise<void> {
  const reply = String(await callAgentOrActAlone(paths, `${way}_guests`, [], POWER_MS));
  const of = (key: string): readonly string[] =>
    new RegExp(`[:;]${key}=([^;]*)`)
      .exec(reply)?.[1]
      ?.split(',')
      .filter(name => name !== '') ?? [];
  const verb = way === 'start' ? 'started' : 'stopped';
  process.stdout.write(`${verb}: ${of('done').join(' ') || 'none'}\n`);
  if (of('failed').length === 0) return;
  process.stderr.write(`not ${verb}: ${of('failed').join(' ')}; see ${paths.logDirectory}/ovs_trace.log\n`);
  process.exitCode = EXIT.failed;
}

export async function listForeign(paths: AgentPaths, json: boolean): Promise<void> {
  const guests = (await askLocalAgent(paths, 'list_foreign_vms', [])) as readonly ForeignGuest[];
  if (json) {
    printJson(guests);
    return;
  }
  if (guests.length === 0) process.stdout.write('every guest that runs here is known to the agent\n');
  for (const { adoptable, id, ignored, name, reason } of guests) {
    const state = ignored ? 'ignored' : adoptable ? 'can be adopted' : 'cannot be adopted';
    process.stdout.write(`${id}  ${name}  ${state}: ${reason}\n`);
  }
}

export async function changeForeign(paths: AgentPaths, act: 'adopt' | 'ignore', id: string): Promise<void> {
  await askLocalAgent(paths, `${act}_vm`, [id]);
  process.stdout.write(`${id}: ${act === 'adopt' ? 'adopted' : 'ignored'}\n`);
}
