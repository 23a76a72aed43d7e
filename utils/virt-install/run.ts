import { randomUUID } from 'node:crypto';
import { AgentPaths } from '../../src/config/paths.ts';
import { readHostFacts } from '../../src/host/inventory.ts';
import { guestNameOf, type GuestPath } from '../../src/model/guest-path.ts';
import type { NewGuest } from '../../src/model/new-guest.ts';
import { stableMac } from '../../src/vmcfg/guest-config.ts';
import { GuestReader } from '../../src/vmcfg/guest-reader.ts';
import { newGuestFile } from '../../src/vmcfg/new-guest-file.ts';
import { useConsole } from '../console.ts';
import { Appended, jobScreen, type JobScreen } from '../jobs.ts';
import { print, printJson, untilInterrupted } from '../program.ts';
import { Prompter } from '../prompter.ts';
import { LocalAgent } from '../xm/agent.ts';
import { type Answers, completeAnswers } from './answers.ts';
import { describeGuest } from './description.ts';
import { awaitInstallation, makeGuest, vncPortOf } from './installation.ts';
import { Interview } from './interview.ts';
import type { InstallOptions } from './options.ts';
import { viewServer } from './server-view.ts';

/**
 * Asks what is open, has the agent make the guest, and stays with it as far as that is wanted.
 * @throws AgentError
 */
export async function install(options: InstallOptions): Promise<void> {
  const paths = new AgentPaths(options.root);
  const facts = readHostFacts();
  const answers = await interviewed(options, paths, facts.processors);
  const { path } = answers;
  const { guest, notes } = describeGuest(options, answers);
  const file = fileOf(path, guest, new GuestReader(facts));
  for (const note of notes) process.stderr.write(`${note}\n`);
  if (options.debug === true) process.stderr.write(`${JSON.stringify(guest, null, 2)}\n`);
  if (options.dryRun === true) {
    if (options.json === true) printJson({ path, guest, file });
    else await print(file);
    return;
  }
  await make(new LocalAgent(paths), path, guest, options);
}

async function interviewed(options: InstallOptions, paths: AgentPaths, processors: number): Promise<Answers> {
  // Only where something is asked: what a script holds at standard input is else its own.
  let prompter: Prompter | undefined;
  try {
    const interview = new Interview({
      ask: prompt => (prompter ??= new Prompter()).ask(prompt),
      say: line => void process.stdout.write(`${line}\n`),
      isForced: options.force === true,
    });
    return await completeAnswers(options, interview, viewServer(paths, processors, process.cwd()));
  } finally {
    prompter?.close();
  }
}

/**
 * The file as it would be written, with addresses that stand for those the agent will choose. It is read back: what cannot be is
 * refused here, before the agent is asked.
 */
function fileOf(path: GuestPath, guest: NewGuest, reader: GuestReader): string {
  const macs = guest.vifs.map((_, index) => stableMac(path, index));
  const file = newGuestFile(path, guest, { uuid: randomUUID(), macs });
  reader.readConfig(Buffer.from(file), path);
  return file;
}

async function make(agent: LocalAgent, path: GuestPath, guest: NewGuest, options: InstallOptions): Promise<void> {
  const isJson = options.json === true;
  const signal = untilInterrupted();
  if (!isJson) await print('\n\nStarting install...\n');
  const job = await makeGuest(agent, path, guest, isJson ? SILENT : jobScreen(false), signal);
  const vncPort = guest.display.type === 'vnc' ? await vncPortOf(agent, path) : undefined;
  if (!isJson && vncPort !== undefined) await print(`The display of ${guestNameOf(path)} is on VNC port ${vncPort}.\n`);
  if (attaches(options, guest)) await useConsole(agent.paths, path, { history: '16384' });
  const said = await awaitInstallation(agent, path, {
    minutes: options.wait,
    restarts: options.noreboot !== true,
    signal,
  });
  if (isJson) printJson({ path, job, ...(vncPort === undefined ? {} : { vnc_port: vncPort }) });
  else await print(`${said}\n`);
}

/** A console is for somebody who sits at a terminal; --wait 0 is the same as --noautoconsole (virt-install(1)). */
function attaches({ json, noautoconsole, wait }: InstallOptions, { display }: NewGuest): boolean {
  return display.type === 'none' && noautoconsole !== true && wait !== 0 && json !== true && process.stdin.isTTY;
}

/** One document is printed, at the end. */
const SILENT: JobScreen = {
  show: () => Promise.resolve(),
  tell: text => new Appended(true).tell(text),
};
