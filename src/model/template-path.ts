import { parsePoolPath } from './pool-path.ts';

/** Directory or archive of a template, such as `/OVS/seed_pool/oel5` or `/OVS/seed_pool/oel5.tgz`. */
export type TemplatePath = string & { readonly brand: 'TemplatePath' };

/** Endings of archives in which templates lie. */
export const ARCHIVE_ENDINGS = ['.tgz', '.tar.gz', '.tar.zst', '.tar'] as const;

/**
 * @param text a name in the default repository, or a path
 * @throws AgentError BAD_VALUE
 */
export function parseTemplatePath(text: string): TemplatePath {
  return parsePoolPath('seed_pool', text) as TemplatePath;
}

/** The repository in which a template or a guest lies. */
export function repositoryOf(path: string): string {
  return path.split('/').slice(0, -2).join('/');
}

export function isArchive(name: string): boolean {
  return ARCHIVE_ENDINGS.some(ending => name.toLowerCase().endsWith(ending));
}

/** A template's name without the ending of its archive. */
export function templateNameOf(name: string): string {
  const ending = ARCHIVE_ENDINGS.find(candidate => name.toLowerCase().endsWith(candidate));
  return ending === undefined ? name : name.slice(0, -ending.length);
}
