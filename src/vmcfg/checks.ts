import type { DiskMode, GuestConfig } from '../model/guest-config.ts';
import type { GuestPath } from '../model/guest-path.ts';
import type { GuestFileEditor } from './editor.ts';
import { guestRules } from './guest-rules.ts';
import { hostRules } from './host-rules.ts';
import { keyRules } from './key-rules.ts';
import type { GuestFile } from './reader.ts';

/** `error`: the guest cannot start, or harms another. `warning`: it starts, and somebody will be surprised. */
export type Severity = 'error' | 'warning' | 'note';

/** Something in a guest file that its owner should know. */
export interface Finding {
  /** Stays the same from release to release, for scripts. */
  readonly code: string;
  readonly severity: Severity;
  /** Key of the guest file that it is about. */
  readonly key: string;
  /** Line of the key, from 1; undefined for a key that is not there. */
  readonly line: number | undefined;
  /** What is so. */
  readonly message: string;
  /** What to do about it. */
  readonly mend: string;
  /** Whether the agent can do that by itself without harm. */
  readonly isFixable: boolean;
}

/** A finding of a rule, before it has its line. */
export interface Draft {
  readonly code: string;
  readonly severity: Severity;
  readonly key: string;
  readonly message: string;
  readonly mend: string;
  readonly fix?: (editor: GuestFileEditor) => void;
}

export interface Fix {
  readonly name: string;
  readonly change: (editor: GuestFileEditor) => void;
}

export type Rule = (subject: CheckSubject) => readonly Draft[];

/** Another guest of this server, as far as two can be in each other's way. */
export interface Neighbour {
  readonly path: GuestPath;
  readonly isRunning: boolean;
  readonly uuid: string;
  readonly macs: readonly string[];
  readonly disks: readonly { readonly source: string; readonly mode: DiskMode }[];
}

/** What a guest is checked against. */
export interface CheckSubject {
  readonly path: GuestPath;
  readonly file: GuestFile;
  readonly config: GuestConfig;
  readonly host: {
    readonly memoryMib: number;
    readonly processors: number;
    readonly isXen: boolean;
    readonly accelerator: string;
    readonly hasBridge: (name: string) => boolean;
    /** Why processor time cannot be shared out by weight; undefined when it can. */
    readonly whyNoShares: string | undefined;
    /** Whether frames on bridges pass the server's own firewall (net.bridge.bridge-nf-call-iptables). */
    readonly filtersBridges: boolean;
    /** What its hypervisor refuses, where it does. */
    readonly refusal: string | undefined;
  };
  /** Files and devices that the guest file names and that cannot be used, with the reason. */
  readonly unusable: readonly { readonly key: string; readonly reason: string }[];
  readonly neighbours: readonly Neighbour[];
}

/** All findings, in the order of the file. */
export function checkGuest(subject: CheckSubject): readonly Finding[] {
  return drafts(subject)
    .map(
      ({ fix, ...draft }): Finding => ({
        ...draft,
        line: subject.file.get(draft.key)?.line,
        isFixable: fix !== undefined,
      }),
    )
    .sort((left, right) => (left.line ?? Infinity) - (right.line ?? Infinity));
}

/**
 * A safe change that one of the findings calls for. One at a time: after it the others may have other places in the file,
 * or be gone.
 * @param tried names of those that were made already
 */
export function findFix(subject: CheckSubject, tried: ReadonlySet<string> = new Set()): Fix | undefined {
  for (const { code, fix, message } of drafts(subject)) {
    const name = `${code} ${message}`;
    if (fix && !tried.has(name)) return { name, change: fix };
  }
  return undefined;
}

function drafts(subject: CheckSubject): Draft[] {
  return [...hostRules, ...guestRules, ...keyRules].flatMap(rule => rule(subject));
}
