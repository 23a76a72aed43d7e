/** Why a file cannot be used, in words that travel between processes. */
export const problemKinds = ['absent', 'outside', 'exists', 'unfit', 'no space', 'hangs', 'failed'] as const;
export type ProblemKind = (typeof problemKinds)[number];

/** A failure of work on a file. Whoever asked for it knows by what name the file was given, and tells it so. */
export class FileProblem extends Error {
  override readonly name = 'FileProblem';
  readonly kind: ProblemKind;
  /** Where the file was looked for, on this server's disk. */
  readonly place: string;
  /** What is so, as the rest of a sentence. */
  readonly detail: string;
  /** Where a link leads that leaves the directory in which the file was looked for. */
  readonly leadsTo: string | undefined;

  constructor(
    kind: ProblemKind,
    place: string,
    detail: string,
    options: { readonly cause?: unknown; readonly leadsTo?: string | undefined } = {},
  ) {
    super(`${place}: ${detail}`, options);
    this.kind = kind;
    this.place = place;
    this.detail = detail;
    this.leadsTo = options.leadsTo;
  }
}

const KINDS_OF_SYSTEM: Readonly<Record<string, ProblemKind>> = {
  ENOENT: 'absent',
  ENOTDIR: 'absent',
  EEXIST: 'exists',
  ENOTEMPTY: 'exists',
  ENOSPC: 'no space',
  EDQUOT: 'no space',
};

const WORDS: Readonly<Record<ProblemKind, string>> = {
  absent: 'it is not there',
  outside: 'it lies outside',
  exists: 'it is there already',
  unfit: 'it is of another kind',
  'no space': 'there is no space left',
  hangs: 'it does not answer',
  failed: 'it failed',
};

/** What the system answered, as a problem with a file. */
export function asFileProblem(error: unknown, place: string): FileProblem {
  if (error instanceof FileProblem) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  const kind = KINDS_OF_SYSTEM[code] ?? 'failed';
  return new FileProblem(kind, place, kind === 'failed' ? code || message : WORDS[kind], { cause: error });
}
