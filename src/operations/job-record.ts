import type { FieldChanges, Fields, FieldValue } from '../store/store.ts';
import type { PaceFacts } from './pace.ts';

export const JOB_DATABASE = 'job';

export const jobStates = ['waiting', 'running', 'cancelling', 'done', 'failed', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

/** A job, as those see it who ask. */
export interface Job {
  readonly id: string;
  readonly method: string;
  /** Values as JSON keeps them. */
  readonly arguments: readonly unknown[];
  readonly user: string;
  readonly access: string;
  readonly guest: string | undefined;
  readonly state: JobState;
  readonly percent: number;
  readonly step: string | undefined;
  /** Of a job that goes on, where it is known. */
  readonly pace: PaceFacts;
  readonly createdAt: string;
  readonly startedAt: string | undefined;
  readonly endedAt: string | undefined;
  /** What the method answered, where it is a text. */
  readonly reply: string | undefined;
  readonly error: string | undefined;
}

/** States of a job that has ended. */
export const endedStates: readonly JobState[] = ['done', 'failed', 'cancelled'];
/** A job as it is stored. */
export function changesOf(job: Job): FieldChanges {
  return {
    method: job.method,
    arguments: JSON.stringify(job.arguments),
    user: job.user,
    access: job.access,
    guest: job.guest ?? null,
    state: job.state,
    percent: job.percent,
    step: job.step ?? null,
    created_at: job.createdAt,
    started_at: job.startedAt ?? null,
    ended_at: job.endedAt ?? null,
    reply: job.reply ?? null,
    error: job.error ?? null,
  };
}

/** A job from what is stored of it. */
export function jobFrom(id: string, fields: Fields): Job {
  const textOf = (name: string): string | undefined => {
    const value: FieldValue | undefined = fields[name];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    id,
    method: textOf('method') ?? '',
    arguments: argumentsFrom(textOf('arguments')),
    user: textOf('user') ?? '',
    access: textOf('access') ?? 'read',
    guest: textOf('guest'),
    // A state that somebody wrote by hand and nobody knows is no work to be done.
    state: jobStates.find(known => known === fields['state']) ?? 'failed',
    percent: Number(fields['percent'] ?? 0),
    step: textOf('step'),
    pace: {},
    createdAt: textOf('created_at') ?? '',
    startedAt: textOf('started_at'),
    endedAt: textOf('ended_at'),
    reply: textOf('reply'),
    error: textOf('error'),
  };
}

function argumentsFrom(text: string | undefined): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
