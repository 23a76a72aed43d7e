#!/usr/bin/env node
import { AgentPaths } from '../src/config/paths.ts';
import { AgentError } from '../src/errors.ts';
import { systemClock } from '../src/host/clock.ts';
import { readHostFacts } from '../src/host/inventory.ts';
import { paravirtualNames } from '../src/image-files/conversion/device-names.ts';
import { type ConversionPlan, planConversion } from '../src/image-files/conversion/plan.ts';
import { editImage } from '../src/image-files/image-edit.ts';
import type { ImageProgramParts } from '../src/image-files/image-program.ts';
import { type GuestPath, parseGuestPath, quote } from '../src/model/guest-path.ts';
import { GuestFiles } from '../src/services/guest-files.ts';
import { GuestReader } from '../src/vmcfg/guest-reader.ts';
import { disksOf, makeParavirtual } from '../src/vmcfg/paravirtual.ts';
import { decodeGuestFile } from '../src/vmcfg/reader.ts';
import { getRecord, openStore } from './guest-key.ts';
import { type ChangedLine, lineDifference } from './line-difference.ts';
import { answerOf, callLocalAgent, guestPathOf, isNotRunning } from './local-agent.ts';
import { newProgram, printJson, runProgram, untilInterrupted, withRoot } from './program.ts';
import { askOnce } from './prompter.ts';
import { openRepositoryFiles } from './repository-files.ts';

const ANSWER_MS = 60_000;
/** Largest file systems take e2fsck a quarter of an hour. */
const IMAGE_PROGRAM_MS = 30 * 60_000;
const COPY_MS = 6 * 3_600_000;
const MANUAL = 'docs/convert-to-pv.md';

const program = withRoot(
  newProgram(
    'convert_to_pv',
    'Make a paravirtual guest of a hardware-virtualized one with Linux: in the image of its first disk and in its vm.cfg.',
  ),
)
  .argument('<guest>', "the guest's name or its whole path; it must be shut down")
  .option('--dry-run', 'show what would be changed, and change nothing')
  .option('--keep', 'keep the image as it was, with ".before-pv" behind its name')
  .option('--yes', 'do not ask')
  .option('--json', 'print JSON')
  .action(run);

await runProgram(program);

interface Options {
  readonly root: string;
  readonly dryRun?: boolean;
  readonly keep?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** What a file was and what becomes of it. */
interface ShownFile {
  readonly file: string;
  readonly lines: readonly ChangedLine[];
}

async function run(guest: string, options: Options): Promise<void> {
  const paths = new AgentPaths(options.root);
  const path = await findGuestThatIsDown(paths, guest);
  const reader = new GuestReader({ uname: readHostFacts().uname });
  const repositoryFiles = openRepositoryFiles(paths);
  try {
    await convert(path, options, { paths, reader, files: new GuestFiles({ paths, files: repositoryFiles, reader }) });
  } finally {
    repositoryFiles.close();
  }
}

interface Workplace {
  readonly paths: AgentPaths;
  readonly reader: GuestReader;
  readonly files: GuestFiles;
}

async function convert(path: GuestPath, options: Options, { files, paths, reader }: Workplace): Promise<void> {
  const { bytes, digest } = await files.read(path);
  requireHardwareGuest(reader, bytes, path);
  const disks = disksOf(reader.readFile(bytes, path));
  const names = paravirtualNames(disks);
  const edited = reader.edit(bytes, path, editor => makeParavirtual(editor, names));
  const image = await findImage(files, path, disks);
  const parts: ImageProgramParts = { clock: systemClock, timeoutMs: IMAGE_PROGRAM_MS };
  const plan = await planConversion(image, names, parts);
  const shown = [...shownChanges(plan), shownFile(`${path}/vm.cfg`, decodeGuestFile(bytes), decodeGuestFile(edited))];
  if (!options.json) process.stdout.write(planText(plan, shown));
  const keptAs = options.keep ? `${image}.before-pv` : undefined;
  if (!options.dryRun) {
    if (process.stdin.isTTY && !options.yes && (await askOnce(`Convert ${path}? [y/N] `)) !== 'y') {
      throw new AgentError('DENIED', `convert ${path}: it was not confirmed; nothing was changed`);
    }
    const signal = untilInterrupted();
    const beforeReplacing = async (): Promise<void> => {
      await findGuestThatIsDown(paths, path);
      if ((await files.read(path)).digest !== digest) {
        throw new AgentError('STALE', `convert ${path}: its vm.cfg was changed meanwhile; begin anew`);
      }
    };
    if (plan.changes.length > 0) {
      const onCopied = process.stderr.isTTY ? showProgress : undefined;
      const editOptions = { copyTimeoutMs: COPY_MS, beforeReplacing, ...(onCopied && { onCopied }) };
      const keep = keptAs !== undefined && { keepAs: keptAs };
      await editImage(image, plan.changes, { ...editOptions, ...keep }, { ...parts, signal });
    }
    await files.write(path, edited, digest);
  }
  if (options.json) {
    printJson({
      guest: path,
      converted: options.dryRun !== true,
      image: paths.asGiven(image),
      kept: keptAs === undefined || plan.changes.length === 0 ? null : paths.asGiven(keptAs),
      kernel: plan.kernel,
      files: shown,
      left: plan.left,
    });
  } else {
    process.stdout.write(endText(path, plan, options.dryRun === true));
  }
}

/** As its agent knows it, or as the database says where no agent runs. @throws AgentError WRONG_STATE, NO_SUCH_GUEST, BAD_VALUE */
async function findGuestThatIsDown(paths: AgentPaths, guest: string): Promise<GuestPath> {
  const { path, status } = await guestStatus(paths, guest);
  if (status === 'DOWN') return parseGuestPath(path);
  throw new AgentError(
    'WRONG_STATE',
    `convert ${path}: it is ${status}; it must be DOWN, and its system shut down cleanly`,
  );
}

async function guestStatus(
  paths: AgentPaths,
  guest: string,
): Promise<{ readonly path: string; readonly status: string }> {
  const ask = async (method: string, params: readonly string[]): Promise<unknown> =>
    answerOf(await callLocalAgent(paths, method, params, ANSWER_MS));
  try {
    const path = await guestPathOf(guest, ask);
    const { status } = (await ask('db_get_vm', [path])) as { readonly status?: unknown };
    return { path, status: String(status) };
  } catch (error) {
    if (!isNotRunning(error)) throw error;
  }
  const store = openStore(paths);
  try {
    const { fields, key } = getRecord(store, 'vm', guest);
    return { path: key, status: String(fields['status'] ?? 'DOWN') };
  } finally {
    await store.close();
  }
}

function requireHardwareGuest(reader: GuestReader, bytes: Uint8Array, path: GuestPath): void {
  if (reader.readConfig(bytes, path).kind === 'hvm') return;
  throw new AgentError(
    'WRONG_STATE',
    `convert ${path}: it is paravirtual already; a guest with builder = 'hvm' is needed`,
  );
}

/** The disk from which the guest boots. */
async function findImage(files: GuestFiles, path: GuestPath, disks: ReturnType<typeof disksOf>): Promise<string> {
  const disk = disks.filter(({ isCdrom }) => !isCdrom).sort((one, other) => (one.target < other.target ? -1 : 1))[0];
  if (disk?.source === undefined) {
    throw new AgentError('BAD_CONFIG', `convert ${path}: its vm.cfg names no disk; the disk with its system is needed`);
  }
  if (disk.sourceKind !== 'file' || disk.format !== 'raw') {
    throw new AgentError(
      'NOT_SUPPORTED',
      `convert ${path}: ${quote(disk.source)} is not a raw image in a file; make one of it, or do in the guest what ${MANUAL} tells`,
    );
  }
  return files.findFile('convert', path, 'disk', disk.source);
}

function shownChanges(plan: ConversionPlan): ShownFile[] {
  return plan.changes.map(({ file, partition, text }) => {
    const where = partition.number === undefined ? 'disk' : `partition ${partition.number}`;
    return shownFile(`${file.path} (${where})`, file.text, text);
  });
}

function shownFile(file: string, before: string, after: string): ShownFile {
  return { file, lines: lineDifference(before, after) };
}

/** A line of the guest must not move the cursor of the operator's terminal. */
function plainLine(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, sign => (sign === '\t' ? sign : '\uFFFD'));
}

function planText({ kernel }: ConversionPlan, shown: readonly ShownFile[]): string {
  const texts = shown.map(({ file, lines }) =>
    [file, ...lines.map(({ line, sign }) => `  ${sign} ${plainLine(line)}`)].join('\n'),
  );
  return `${texts.join('\n\n')}\n\nkernel: ${plainLine(kernel)}\n`;
}

function endText(path: GuestPath, { left }: ConversionPlan, isDryRun: boolean): string {
  const head = isDryRun ? `${path}: nothing was changed` : `${path}: it is paravirtual now`;
  const list = left.map((sentence, index) => `  ${index + 1}. ${plainLine(sentence)}\n`);
  return `${head}\n${list.length === 0 ? '' : `Left to be done in the guest:\n${list.join('')}`}`;
}

function showProgress(bytes: number, of: number): void {
  const percent = of === 0 ? 100 : Math.min(100, Math.floor((100 * bytes) / of));
  process.stderr.write(`\rcopying the image: ${percent} %${percent === 100 ? '\n' : ''}`);
}
