import { AgentError } from '../errors.ts';
import { quote } from './guest-path.ts';
import { parseRepositoryId, type RepositoryId } from './repository.ts';

/** Who may use a repository: this server, or several (`C` in the guide: all of a cluster). */
export const SHARED_FORMS = ['0', '1', 'C'] as const;
export type SharedForm = (typeof SHARED_FORMS)[number];

/** What a repository says of itself, in the file `.ovsrepo` at its top. */
export interface RepositoryStamp {
  readonly id: RepositoryId;
  readonly shared: SharedForm;
  readonly description: string;
}

/** Name of the file. */
export const STAMP_FILE = '.ovsrepo';

/** Largest stamp that is read, in bytes. */
export const STAMP_LIMIT_BYTES = 4096;

/** Layout of a repository that this agent understands. */
const LAYOUT = '1';

const DESCRIPTION_LIMIT = 255;

/** @throws AgentError BAD_VALUE */
export function parseDescription(text: string): string {
  if (text.length <= DESCRIPTION_LIMIT && !/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text)) return text;
  throw new AgentError(
    'BAD_VALUE',
    `description ${quote(text)}: it must be one line of at most ${DESCRIPTION_LIMIT} characters`,
  );
}

/** @throws AgentError BAD_VALUE */
export function parseShared(text: string): SharedForm {
  const found = SHARED_FORMS.find(form => form === text.toUpperCase());
  if (found !== undefined) return found;
  throw new AgentError(
    'BAD_VALUE',
    `shared ${quote(text)}: it must be 0 (this server only), 1 (several servers) or C (several servers, and the default one here)`,
  );
}

export function formatStamp({ description, id, shared }: RepositoryStamp): string {
  return [
    `OVS_REPO_UUID=${id}`,
    `OVS_REPO_SHARED=${shared}`,
    `OVS_REPO_DESCRIPTION=${description}`,
    `OVS_REPO_VERSION=${LAYOUT}`,
    '',
  ].join('\n');
}

/**
 * @param where the repository, for messages
 * @throws AgentError BAD_CONFIG when it is damaged, or of a layout that is not known
 */
export function parseStamp(text: string, where: string): RepositoryStamp {
  const values = new Map<string, string>();
  for (const line of text.split('\n').filter(content => content.trim() !== '')) {
    const [, key, value] = /^OVS_REPO_([A-Z]+)=(.*)$/.exec(line) ?? [];
    if (key === undefined || values.has(key)) throw damaged(where, `the line ${quote(line)}`);
    values.set(key, value!);
  }
  const layout = values.get('VERSION');
  if (layout !== undefined && layout !== LAYOUT) {
    throw new AgentError(
      'BAD_CONFIG',
      `mount ${where}: its ${STAMP_FILE} is of layout ${quote(layout)}, and this agent knows ${LAYOUT}; use an agent that knows it`,
    );
  }
  const [id, shared, description] = ['UUID', 'SHARED', 'DESCRIPTION'].map(key => values.get(key));
  if (layout === undefined || id === undefined || shared === undefined || description === undefined) {
    throw damaged(where, 'that a key is missing');
  }
  try {
    return { id: parseRepositoryId(id), shared: parseShared(shared), description: parseDescription(description) };
  } catch (cause) {
    throw damaged(where, (cause as Error).message, cause);
  }
}

function damaged(where: string, what: string, cause?: unknown): AgentError {
  return new AgentError(
    'BAD_CONFIG',
    `mount ${where}: its ${STAMP_FILE} is damaged (${what}); put it back as it was, or remove the file to make the repository anew`,
    { cause },
  );
}
