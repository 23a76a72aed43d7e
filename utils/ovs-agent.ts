#!/usr/bin/env node
import { fileURLToPath } from 'node:url';
import { AgentPaths } from '../src/config/paths.ts';
import type { Command } from 'commander';
import type { ConsoleOptions } from './console.ts';
import type { EventOptions } from './events.ts';
import type { JobOptions } from './jobs.ts';
import { EXIT, newProgram, packageVersion, printJson, runProgram, withRoot } from './program.ts';
import { type AgentState, restartAgent, startAgent, stateOf, stopAgent } from './control.ts';

interface CommonOptions {
  readonly root: string;
  readonly config?: string;
}

const program = newProgram('ovs-agent', 'Run and look after the agent of this server.');

withConfig(program.command('start'))
  .description('start the agent')
  .option('--foreground', 'stay in the foreground, as a service manager wants it')
  .action(async ({ foreground, ...options }: CommonOptions & { foreground?: boolean }) => {
    if (foreground) {
      const { runAgent } = await import('../src/main.ts');
      await runAgent({ ...options, version: packageVersion() });
      return;
    }
    describe(await startAgent(new AgentPaths(options.root), fileURLToPath(import.meta.url), startArguments(options)));
  });

withRoot(program.command('stop'))
  .description('stop the agent; guests go on')
  .action(async ({ root }: CommonOptions) => {
    const processId = await stopAgent(new AgentPaths(root));
    process.stdout.write(
      processId === undefined
        ? 'ovs-agent was stopped already\n'
        : `ovs-agent stopped (process ${processId}); guests go on\n`,
    );
  });

withConfig(program.command('restart'))
  .description('stop the agent and start it again; guests go on')
  .action(async (options: CommonOptions) => {
    describe(await restartAgent(new AgentPaths(options.root), fileURLToPath(import.meta.url), startArguments(options)));
  });

withRoot(program.command('status'))
  .description('show whether the agent runs, and what it looks after; exit code 3 when it does not run')
  .option('--json', 'print JSON')
  .action(async ({ root, json }: CommonOptions & { json?: boolean }) => {
    const state = await stateOf(new AgentPaths(root));
    if (json) printJson(state ? { running: true, ...state } : { running: false });
    else if (state) describe(state);
    else process.stdout.write('ovs-agent is stopped; "ovs-agent start" starts it\n');
    if (!state) process.exitCode = EXIT.notRunning;
  });

withConfig(program.command('configure'))
  .description('change the settings for transport and access, by dialogue or by flags')
  .option('--ssl <enable|disable>', 'encrypt the transport')
  .option('--allow <patterns>', 'who may connect, separated by commas')
  .option('--deny <patterns>', 'who may not')
  .option('--password-stdin', 'set the password of admin to the first line of the standard input')
  .action(async (options: CommonOptions & { ssl?: string; allow?: string; deny?: string; passwordStdin?: boolean }) => {
    const { configure } = await import('./configure.ts');
    await configure(new AgentPaths(options.root), options);
  });

withRoot(program.command('passwd'))
  .description('set the password of a user of the agent; it holds at once')
  .option('--user <name>', 'the user', 'admin')
  .option('--role <role>', 'what a new user may do: read, operate or admin')
  .option('--stdin', 'take the password from the first line of the standard input')
  .action(async ({ root, user, role, stdin }: CommonOptions & { user: string; role?: string; stdin?: boolean }) => {
    const { changePassword } = await import('./passwd.ts');
    await changePassword(new AgentPaths(root), user, role, stdin === true);
  });

withConfig(program.command('doctor'))
  .description('look at this server as the agent finds it; exit code 1 when something keeps it from working')
  .option('--json', 'print JSON')
  .action(async ({ config, json, root }: CommonOptions & { json?: boolean }) => {
    const paths = new AgentPaths(root);
    const { examineServer } = await import('./doctor.ts');
    await examineServer(paths, config ?? paths.settingsFile, json === true);
  });

withConfig(program.command('config').command('show'))
  .description('print each setting that holds, and where it came from')
  .option('--all', 'the options of xend-config.sxp that have no effect too')
  .option('--json', 'print JSON')
  .action(async ({ all, config, json, root }: CommonOptions & { all?: boolean; json?: boolean }) => {
    const paths = new AgentPaths(root);
    const { showConfig } = await import('./config-show.ts');
    showConfig(paths, config ?? paths.settingsFile, { all: all === true, json: json === true });
  });

withRoot(program.command('console'))
  .description('attach to the serial console of a guest; Ctrl-] leaves it')
  .argument('<guest>', "the guest's name or its whole path")
  .option('--read-only', 'look on while others type')
  .option('--force', 'take it over from somebody else who types')
  .option('--history <bytes>', 'how much of what was printed before is shown, or none', '16384')
  .action(async (guest: string, { root, ...options }: CommonOptions & ConsoleOptions) => {
    const { useConsole } = await import('./console.ts');
    await useConsole(new AgentPaths(root), guest, options);
  });

withRoot(program.command('check'))
  .description('find what in a guest file will keep the guest from running; exit code 1 when something will')
  .argument('<guest>', 'name of a registered guest, or the path of any')
  .option('--fix', 'make the safe changes')
  .option('--json', 'print JSON')
  .action(async (guest: string, { fix, json, root }: CommonOptions & { fix?: boolean; json?: boolean }) => {
    const { checkGuest } = await import('./check.ts');
    await checkGuest(new AgentPaths(root), guest, { fix: fix === true, json: json === true });
  });

const guests = program
  .command('guests')
  .description('the guests of this server as a whole, and those that are not its own');

for (const [way, what] of [
  ['start', 'start the guests that start with this server, and let those go on that were saved with it'],
  ['stop', 'stop or save all guests, each by its setting, as at the shutdown of this server'],
] as const) {
  withRoot(guests.command(way))
    .description(what)
    .action(async ({ root }: CommonOptions) => {
      const { powerGuests } = await import('./guests.ts');
      await powerGuests(new AgentPaths(root), way);
    });
}

withRoot(guests.command('foreign'))
  .description('list the guests that run here and that the agent has no record of')
  .option('--json', 'print JSON')
  .action(async ({ json, root }: CommonOptions & { json?: boolean }) => {
    const { listForeign } = await import('./guests.ts');
    await listForeign(new AgentPaths(root), json === true);
  });

for (const [act, what] of [
  ['adopt', 'make a record of such a guest'],
  ['ignore', 'mark such a guest as one that is to be left alone'],
] as const) {
  withRoot(guests.command(act))
    .description(what)
    .argument('<id>', 'its id in "ovs-agent guests foreign"')
    .action(async (id: string, { root }: CommonOptions) => {
      const { changeForeign } = await import('./guests.ts');
      await changeForeign(new AgentPaths(root), act, id);
    });
}

withRoot(program.command('events'))
  .description('show what happens on this server')
  .option('--follow', 'go on with what happens from now on, over restarts of the agent; Ctrl-C ends it')
  .option('--json', 'print one JSON document per line')
  .option('--guest <guest>', "only those of a guest: the guest's name or its whole path")
  .option('--after <token>', 'begin behind the event with this token')
  .action(async ({ root, ...options }: CommonOptions & EventOptions) => {
    const { showEvents } = await import('./events.ts');
    await showEvents(new AgentPaths(root), options);
  });

withRoot(program.command('timeline'))
  .description('show what happened to a guest, who did it, and why it has its status')
  .argument('<guest>', "the guest's name or its whole path")
  .option('--json', 'print JSON')
  .option('--limit <number>', 'show that many entries, the newest', '100')
  .action(async (guest: string, { json, limit, root }: CommonOptions & { json?: boolean; limit: string }) => {
    const { showTimeline } = await import('./timeline.ts');
    await showTimeline(new AgentPaths(root), guest, { json: json === true, limit });
  });

const jobs = withRoot(program.command('jobs'))
  .description('show the jobs of the agent, and how far they are')
  .option(
    '--follow [job]',
    'go on showing them; with a job until that ends: exit code 1 when it failed, 4 when cancelled',
  )
  .option('--json', 'print JSON, with --follow one document per line')
  .action(async ({ root, ...options }: CommonOptions & JobOptions) => {
    const { showJobs } = await import('./jobs.ts');
    await showJobs(new AgentPaths(root), options);
  });

withRoot(jobs.command('cancel'))
  .description('ask for a job to be cancelled')
  .argument('<job>', 'id of the job')
  .action(async (job: string, _options: unknown, command: Command) => {
    const { root } = command.optsWithGlobals<CommonOptions>();
    const { cancelJob } = await import('./jobs.ts');
    await cancelJob(new AgentPaths(root), job);
  });

await runProgram(program);

function withConfig(command: typeof program): typeof program {
  return withRoot(command).option(
    '--config <file>',
    'settings file, in place of etc/ovs-agent/agent.ini below the root',
  );
}

function startArguments({ config, root }: CommonOptions): string[] {
  return ['--root', root, ...(config === undefined ? [] : ['--config', config])];
}

function describe(state: AgentState): void {
  const guests = Object.entries(state.guests).map(([status, count]) => `${count} ${status}`);
  const rows: readonly (readonly [string, string])[] = [
    ['ovs-agent', `running, process ${state.pid}, version ${state.version}`],
    ['listening on', `${state.addresses.join(', ')} (ssl ${state.ssl ? 'enabled' : 'disabled'})`],
    ['up since', `${state.started_at} (${uptime(state.started_at)})`],
    ['hypervisor', `${state.hypervisor}, ${state.accelerator}`],
    ['guests', guests.length === 0 ? 'none' : guests.join(', ')],
    ...(state.ssl ? [['key', state.certificate_fingerprint] as const] : []),
  ];
  process.stdout.write(rows.map(([name, text]) => `${name.padEnd(13)} ${text}\n`).join(''));
}

function uptime(since: string): string {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes} min` : minutes > 0 ? `${minutes} min` : `${seconds} s`;
}
