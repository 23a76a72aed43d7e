#!/usr/bin/env node
import { Argument, Option } from 'commander';
import { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { newProgram, runProgram, withRoot } from './program.ts';
import { LocalAgent } from './xm/agent.ts';
import type { CreateOptions } from './xm/create.ts';
import { listDomains, type ListOptions, stateNames } from './xm/list.ts';

interface Root {
  readonly root: string;
}

interface WaitOptions extends Root {
  readonly all?: boolean;
  readonly wait?: boolean;
}

const program = newProgram(
  'xm',
  'Manage the guests of this server, whatever its hypervisor is, as xm of Xen does.',
).helpCommand(false);

const domain = new Argument('<domain>', 'name, id or path of a guest');

/** A command with its agent. */
function command(name: string, description: string): ReturnType<typeof withRoot> {
  return withRoot(program.command(name)).description(description);
}

function agentOf({ root }: Root): LocalAgent {
  return new LocalAgent(new AgentPaths(root));
}

/** A command that is one act on one guest. */
function act(name: string, method: string, description: string, more: readonly unknown[] = []): void {
  command(name, description)
    .addArgument(domain)
    .action(async (wanted: string, options: Root) => {
      const agent = agentOf(options);
      const guest = await agent.find(wanted);
      await agent.act(method, guest.path, ...more);
    });
}

/** `reboot` and `shutdown`: of one guest or all, waited for or not. */
async function each(
  options: WaitOptions,
  wanted: string | undefined,
  perform: (agent: LocalAgent, path: string) => Promise<void>,
): Promise<void> {
  const agent = agentOf(options);
  if ((wanted === undefined) !== (options.all === true)) {
    throw new AgentError('BAD_VALUE', 'give the name of a guest, or --all, and not both');
  }
  const running = (await agent.domains()).filter(row => row.path !== '');
  const paths = wanted === undefined ? running.map(row => row.path) : [(await agent.find(wanted)).path];
  const results = await Promise.allSettled(paths.map(path => perform(agent, path)));
  const failure = results.find(result => result.status === 'rejected');
  if (failure) throw failure.reason;
}

/** Does what was asked for in this call, or as a job that goes on by itself. */
async function now(
  agent: LocalAgent,
  isWaitedFor: boolean,
  method: string,
  ...args: readonly unknown[]
): Promise<void> {
  if (isWaitedFor) await agent.act(method, ...args);
  else await agent.act('submit_job', method, args);
}

command('console', "attach to a guest's console; Ctrl-] leaves it")
  .option('-q, --quiet', 'only for compatibility')
  .addArgument(domain)
  .action(async (wanted: string, options: Root) => {
    const { useConsole } = await import('./console.ts');
    const agent = agentOf(options);
    await useConsole(agent.paths, (await agent.find(wanted)).path, { history: '16384' });
  });

withCreateOptions(
  command('create', 'start a guest from its file')
    .option('-c, --console', 'attach to its console once it has started')
    .option('-q, --quiet', 'say nothing')
    .option('-p, --paused', 'leave it paused once it has started')
    .option('-n, --dryrun', 'do not start it: print its configuration as SXP')
    .option('-x, --xmldryrun', 'do not start it: print its configuration as XML'),
)
  .argument('<file>', "the guest's file (vm.cfg) or directory in a repository, or the name of a registered guest")
  .argument('[name=value...]', 'in place of what the file says, for this start only')
  .action(async (file: string, words: readonly string[], options: CreateOptions & Root & { defconfig?: string }) => {
    const { createDomain } = await import('./xm/create.ts');
    await createDomain(agentOf(options), options.defconfig ?? file, words, options);
  });

act('destroy', 'stop_vm', 'end a guest at once, as pulling the plug does', [true]);

command('dmesg', 'print what the hypervisor said')
  .option('-c, --clear', 'refused: what it said is kept')
  .action(async (options: Root & { clear?: boolean }) => {
    if (options.clear)
      throw new AgentError('NOT_SUPPORTED', 'dmesg --clear: the messages are files that are kept; leave it out');
    const { hypervisorMessages } = await import('./xm/host.ts');
    process.stdout.write(await hypervisorMessages(agentOf(options)));
  });

command('info', 'describe this server')
  .option('-c, --config', 'only for compatibility')
  .action(async (options: Root) => {
    const { describeHost } = await import('./xm/host.ts');
    process.stdout.write(await describeHost(agentOf(options)));
  });

command('list', 'list the guests, the server itself first')
  .option('-l, --long', 'all that is known of each, as SXP')
  .option('--label', 'only for compatibility: there are no security labels')
  .addOption(new Option('--state <state>', 'only guests in that state').choices(stateNames))
  .argument('[domain...]', 'names, ids or paths of guests')
  .action(async (wanted: readonly string[], options: ListOptions & Root) => {
    process.stdout.write(await listDomains(agentOf(options), wanted, options));
  });

command('log', "print the agent's log")
  .option('-n, --lines <count>', 'how many lines', '1000')
  .action(async (options: Root & { lines: string }) => {
    const { agentLog } = await import('./xm/host.ts');
    process.stdout.write(await agentLog(agentOf(options), wholeFrom('lines', options.lines)));
  });

command('migrate', 'move a guest to another server')
  .option('-l, --live', 'while it runs')
  .option('-p, --port <port>', 'of the other server')
  .addArgument(domain)
  .argument('<host>', 'the other server')
  .action(async (wanted: string, host: string, options: Root) => {
    const { name } = await agentOf(options).find(wanted);
    throw new AgentError(
      'NOT_SUPPORTED',
      `migrate ${name} to ${host}: this server is in no server pool, and guests move within one; save it here and restore it there`,
    );
  });

withCreateOptions(command('new', 'make a guest known, without starting it'))
  .argument('<file>', "the guest's file (vm.cfg) or directory in a repository")
  .action(async (file: string, options: CreateOptions & Root) => {
    const { newDomain } = await import('./xm/create.ts');
    await newDomain(agentOf(options), file, options);
  });

act('pause', 'pause_vm', 'halt the processors of a guest');

command('reboot', 'ask the system of a guest to reboot')
  .option('-a, --all', 'all guests')
  .option('-w, --wait', 'return when it is done')
  .argument('[domain]', 'name, id or path of a guest')
  .action((wanted: string | undefined, options: WaitOptions) =>
    each(options, wanted, (agent, path) => now(agent, options.wait === true, 'reboot_vm', path)),
  );

command('restore', 'start a guest from the file of "xm save"')
  .option('-p, --paused', 'leave it paused')
  .argument('<file>', 'the file')
  .action(async (file: string, options: Root & { paused?: boolean }) => {
    const agent = agentOf(options);
    const state = (await agent.ask('get_state_info', file)) as { readonly path: string };
    await agent.act('restore_vm', state.path, file);
    if (options.paused && (await agent.find(state.path)).status === 'RUNNING') await agent.act('pause_vm', state.path);
  });

command('save', 'write the state of a guest to a new file, and end it')
  .option('-c, --checkpoint', 'refused: a guest that goes on changes its disks, and the file would be outdated at once')
  .addArgument(domain)
  .argument('<file>', 'the file, in a repository or a directory of state_directories')
  .action(async (wanted: string, file: string, options: Root & { checkpoint?: boolean }) => {
    if (options.checkpoint) {
      throw new AgentError(
        'NOT_SUPPORTED',
        'save --checkpoint: a guest that goes on changes its disks, and the file is outdated at once; leave it out',
      );
    }
    const agent = agentOf(options);
    await agent.act('save_vm', (await agent.find(wanted)).path, file);
  });

command('shutdown', 'ask the system of a guest to power off')
  .option('-a, --all', 'all guests')
  .option('-w, --wait', 'return when it is done')
  .option('-H, --halt', 'only for compatibility: it is what is done')
  .option('-R, --reboot', 'ask it to reboot instead')
  .argument('[domain]', 'name, id or path of a guest')
  .action((wanted: string | undefined, options: WaitOptions & { reboot?: boolean }) =>
    each(options, wanted, (agent, path) =>
      now(agent, options.wait === true, options.reboot === true ? 'reboot_vm' : 'stop_vm', path),
    ),
  );

command('top', 'watch what guests use')
  .option('-d, --delay <seconds>', 'between two looks', '3')
  .option('-b, --batch', 'print text, one look after the other')
  .option('-i, --iterations <count>', 'end after so many looks')
  .action(async (options: Root & { delay: string; batch?: boolean; iterations?: string }) => {
    const { runTop } = await import('./xm/top.ts');
    await runTop(agentOf(options).paths, {
      delayS: numberFrom('delay', options.delay, 0.1),
      batch: options.batch === true,
      iterations: options.iterations === undefined ? undefined : wholeFrom('iterations', options.iterations),
    });
  });

act('unpause', 'unpause_vm', 'let a paused guest run again');

act('start', 'start_vm', 'start a guest that is known');
act('suspend', 'suspend_vm', 'put a guest aside in its own directory');
act('resume', 'resume_vm', 'bring a suspended guest back');
act('reset', 'reset_vm', 'restart the machine of a guest at once');
act('dump-core', 'dump_vm', 'write the memory of a guest to a file for a debugger');
act('delete', 'unregister_vm', 'forget a guest; its files stay, db_del removes them');

command('domid', 'print the id of a guest')
  .addArgument(domain)
  .action(async (wanted: string, options: Root) => {
    const agent = agentOf(options);
    const { name, path } = await agent.find(wanted);
    const row = (await agent.domains()).find(candidate => candidate.path === path);
    if (!row) throw new AgentError('WRONG_STATE', `domain ${name}: it does not run, and has no id`);
    process.stdout.write(`${row.id}\n`);
  });

command('domname', 'print the name of a guest')
  .addArgument(domain)
  .action(async (wanted: string, options: Root) => {
    process.stdout.write(`${(await agentOf(options).find(wanted)).name}\n`);
  });

command('mem-set', 'change the memory of a guest, in its file too')
  .addArgument(domain)
  .argument('<MiB>', 'how much it is to have')
  .action(async (wanted: string, size: string, options: Root) => {
    const agent = agentOf(options);
    await agent.act('xen_set_memory', (await agent.find(wanted)).path, wholeFrom('MiB', size));
  });

command('vcpu-set', 'change how many processors a guest has, in its file too')
  .addArgument(domain)
  .argument('<count>', 'how many it is to have')
  .action(async (wanted: string, count: string, options: Root) => {
    const agent = agentOf(options);
    await agent.act('xen_set_vcpus', (await agent.find(wanted)).path, wholeFrom('count', count));
  });

command('uptime', 'print how long guests have run')
  .argument('[domain...]', 'names, ids or paths of guests')
  .action(async (wanted: readonly string[], options: Root) => {
    const { uptimes } = await import('./xm/host.ts');
    process.stdout.write(await uptimes(agentOf(options), wanted));
  });

command('help', 'show the commands')
  .option('--long', 'with all their options')
  .argument('[command]', 'one of them')
  .action((name: string | undefined, { long }: Root & { long?: boolean }) => {
    const found = program.commands.find(candidate => candidate.name() === name);
    if (name !== undefined && !found)
      throw new AgentError('BAD_VALUE', `there is no command ${JSON.stringify(name)}; see "xm help"`);
    const all = long ? [program, ...program.commands] : [found ?? program];
    process.stdout.write(all.map(item => item.helpInformation()).join('\n'));
  });

await runProgram(program);

function withCreateOptions(made: ReturnType<typeof withRoot>): ReturnType<typeof withRoot> {
  return made
    .option('-f, --defconfig <file>', "the guest's file, in place of the argument")
    .option('--path <directory>', 'where a file without a directory is looked for');
}

function wholeFrom(name: string, text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new AgentError('BAD_VALUE', `${name} ${JSON.stringify(text)} is not a whole number from 1`);
}

function numberFrom(name: string, text: string, least: number): number {
  const value = /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  throw new AgentError('BAD_VALUE', `${name} ${JSON.stringify(text)} is not a number from ${least}`);
}
