import { AgentError } from '../../errors.ts';

/** Why a domain shut down (Xen, public/sched.h, SHUTDOWN_*). */
export type ShutdownReason = 'poweroff' | 'reboot' | 'suspend' | 'crash' | 'watchdog' | 'soft-reset' | 'unknown';

/** One line of `xl list -v`. */
export interface DomainRow {
  readonly name: string;
  readonly id: number;
  readonly memoryMib: number;
  /** Processors that are online. */
  readonly vcpus: number;
  readonly isPaused: boolean;
  /** Why it no longer runs, once it has shut down. */
  readonly shutdown: ShutdownReason | undefined;
  /** Whether it is being destroyed. */
  readonly isDying: boolean;
  /** To a tenth of a second; xl counts in numbers of seven digits, so that it is coarser after some weeks. */
  readonly processorTimeMs: number;
  readonly uuid: string;
}

const LIST_TITLE =
  'Name                                        ID   Mem VCPUs\tState\tTime(s)   UUID                            Reason-Code\tSecurity Label';

/** All columns of a row but the first: a name may hold anything, blanks and columns as well, and these are one word each. */
const COLUMNS = {
  id: /^\d{1,5}$/,
  memory: /^\d{1,10}$/,
  vcpus: /^\d{1,5}$/,
  state: /^[r-][b-][p-][s-][rscwS?-][d-]$/,
  time: /^\d{1,11}\.\d$/,
  uuid: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  reason: /^(?:-|[0-9a-f]{1,8})$/,
  label: /^\S{1,4096}$/,
} as const;
type Column = keyof typeof COLUMNS;
const COLUMN_NAMES = Object.keys(COLUMNS) as readonly Column[];

/** The letter that stands for each reason in the column of the state. */
const REASON_LETTERS = '-rscwS';

const REASONS: Readonly<Record<string, ShutdownReason>> = {
  '0': 'poweroff',
  '1': 'reboot',
  '2': 'suspend',
  '3': 'crash',
  '4': 'watchdog',
  '5': 'soft-reset',
};

/**
 * Reads what `xl list -v` prints (Xen 4.17, tools/xl/xl_list.c). The long form of the list is not asked for: it does not tell
 * whether a domain runs, and why it no longer does.
 * @throws AgentError HYPERVISOR naming what cannot be understood
 */
export function parseDomainList(text: string): readonly DomainRow[] {
  const [title = '', ...lines] = text.split('\n');
  if (title !== LIST_TITLE) throw notUnderstood('xl list -v', title);
  if (lines.at(-1) !== '') throw notUnderstood('xl list -v', 'its last line is cut off');
  const rows = lines.slice(0, -1).map(parseDomainRow);
  const ids = new Set<number>();
  for (const { id } of rows) {
    if (ids.has(id)) throw notUnderstood('xl list -v', `two domains have the number ${id}`);
    ids.add(id);
  }
  return rows;
}

function parseDomainRow(line: string): DomainRow {
  const { name, words } = columnsOf(line);
  const word = (column: Column): string => words.get(column)!;
  if (COLUMN_NAMES.some(column => !COLUMNS[column].test(words.get(column) ?? '')))
    throw notUnderstood('xl list -v', line);
  const state = word('state');
  const reason = word('reason');
  const hasShutDown = state[3] === 's';
  const letter = REASON_LETTERS[hasShutDown ? Number.parseInt(reason, 16) : 0] ?? '?';
  if (hasShutDown === (reason === '-') || state[4] !== letter) throw notUnderstood('xl list -v', line);
  return {
    name,
    id: Number(word('id')),
    memoryMib: Number(word('memory')),
    vcpus: Number(word('vcpus')),
    isPaused: state[2] === 'p',
    shutdown: hasShutDown ? (REASONS[reason] ?? 'unknown') : undefined,
    isDying: state[5] === 'd',
    processorTimeMs: Number(word('time').replace('.', '')) * 100,
    uuid: word('uuid'),
  };
}

/** From the end of the line to its begin, where the name is what remains. The time it takes grows with the line's length. */
function columnsOf(line: string): { readonly name: string; readonly words: ReadonlyMap<Column, string> } {
  const words = new Map<Column, string>();
  let end = line.length;
  for (const column of COLUMN_NAMES.toReversed()) {
    const start = line.lastIndexOf(' ', end - 1) + 1;
    // There is a blank before each of them, also where the name is empty.
    if (start === 0) break;
    words.set(column, line.slice(start, end));
    end = start;
    while (end > 0 && line[end - 1] === ' ') end -= 1;
  }
  return { name: line.slice(0, end), words };
}

/** What the agent wants of `xl info`. */
export interface XenInfo {
  readonly version: string;
  readonly major: number;
  readonly minor: number;
  readonly processors: number;
  readonly totalMemoryMib: number;
  readonly freeMemoryMib: number;
  /** Whether guests can be given hardware help: without it there are neither HVM nor PVH guests. */
  readonly hasHardwareGuests: boolean;
  /** Whether the memory of the agent's own domain was set at boot: else xl makes room for guests by taking of it (xl.conf(5), autoballoon). */
  readonly hasFixedOwnMemory: boolean;
  /** Without it the memory of pv guests cannot be followed while they run; Debian builds Xen without. */
  readonly hasShadowPaging: boolean;
}

/** @throws AgentError HYPERVISOR naming what cannot be understood */
export function parseInfo(text: string): XenInfo {
  if (!text.endsWith('\n')) throw notUnderstood('xl info', 'its last line is cut off');
  const pairs = new Map(
    text
      .split('\n')
      .map(line => /^([a-z_]+) *: (.*)$/.exec(line))
      .flatMap(match => (match ? [[match[1]!, match[2]!.trim()] as const] : [])),
  );
  const word = (key: string, pattern: RegExp): string => {
    const value = pairs.get(key);
    if (value === undefined || !pattern.test(value)) throw notUnderstood('xl info', `${key} is ${value ?? 'missing'}`);
    return value;
  };
  const number = (key: string): number => Number(word(key, /^\d{1,12}$/));
  return {
    version: word('xen_version', /^\d{1,6}\.\d[\w.+~-]{0,60}$/),
    major: number('xen_major'),
    minor: number('xen_minor'),
    processors: number('nr_cpus'),
    totalMemoryMib: number('total_memory'),
    freeMemoryMib: number('free_memory'),
    hasHardwareGuests: word('xen_caps', /^[\w .-]*$/).includes('hvm-'),
    hasFixedOwnMemory: /(?:^| )dom0_mem=/.test(word('xen_commandline', /^.*$/)),
    hasShadowPaging: word('virt_caps', /^[\w .-]*$/)
      .split(' ')
      .includes('shadow'),
  };
}

/** What xl says of its own work, whether it succeeds or fails. */
const NOTES =
  /^(?:Parsing config |Loading new save file |Saving to |Savefile contains |Shutting down domain |Rebooting domain |Waiting for |Domain \d+ has been shut down|Migration successful|migration (?:target|sender): (?:Ready|Transfer|Target|Giving|Got|Domain started)|xc: (?:info|progress|detail): |libxl: (?:info|debug|detail|notice): )/;
/** What only tells what followed from the failure. */
const CONSEQUENCES =
  /Non-existant domain|Unable to destroy guest|Destruction of domain failed|cannot \(re-\)build domain|cannot make domain|unable to add \w+ devices|Unable to set \w+ defaults|xenstore read failed|unable to get domain type|xc_dom_\w+ failed|xc_domain_resume failed|exited with error status|(?:Save|Restore) failed|restoring domain: Success|Failed to save domain|Dom \d+ not suspended|cannot init xl context|cannot open libxc handle|^shutdown failed|^migration (?:target|sender): |^Migration failed|truncated reading banner|^xl: fatal error: /;
const MOST_SENTENCES = 3;
/** Nothing that xl says of itself is as long; what a script or a name adds to it may be. */
const MOST_OF_A_LINE = 1000;
const MOST_CHARACTERS = 500;

/**
 * What went wrong, out of what xl wrote to its standard error: the causes, without the places in its source and without what
 * merely followed. Text for people; nothing is decided by it.
 * @returns nothing when only notes of its work are there
 */
export function failureOf(stderr: string): string {
  const lines = beginOf(stderr, 64 * 1024)
    .split('\n')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
    .map(line =>
      beginOf(line, MOST_OF_A_LINE)
        .replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
        .trim(),
    )
    .filter(line => line !== '' && !NOTES.test(line));
  const causes = lines.filter(line => !CONSEQUENCES.test(line));
  const sentences = (causes.length > 0 ? causes : lines).map(sentenceOf).filter(sentence => sentence !== '');
  return beginOf([...new Set(sentences)].slice(0, MOST_SENTENCES).join('; '), MOST_CHARACTERS);
}

/** Never half of a letter that takes two places. */
function beginOf(text: string, most: number): string {
  return text.slice(0, most).replace(/[\ud800-\udbff]$/, '');
}

/** One line without the prefixes of Xen's libraries, places in their source, and numbers that mean something to them alone. */
function sentenceOf(line: string): string {
  return line
    .replace(/^(?:lib\w+|xc\w*|xen\w*|xlu): (?:error|warning): (?:panic: )?(?:[\w.-]+\.[ch]:\d+: ?(?:\w+: )?)?/, '')
    .replace(/^Domain \d+:/, '')
    .replace(/^(?:Error: |xc_dom_\w+: )/, '')
    .replace(/: Internal error$/, '')
    .replace(/ \(\d+ = Success\)$/, '')
    .replace(/ \(\d+ = ([^()]+)\)$/, ': $1')
    .replace(/ \(rc=-?\d+\)$/, '')
    .replace(/[.\s]+$/, '');
}

function notUnderstood(command: string, what: string): AgentError {
  return new AgentError(
    'HYPERVISOR',
    `read ${command}: what it prints is not known here (${what.slice(0, 120)}); is this a release of Xen other than 4.17?`,
  );
}
