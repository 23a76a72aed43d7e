import { readdir } from 'node:fs/promises';
import { AgentError, messageOf } from '../errors.ts';
import { streamContent } from './content-stream.ts';
import { openFtpDirectory } from './ftp-origin.ts';
import type { ReachOptions } from './origin.ts';
import { waitPatiently } from './patience.ts';
import { describeSource, sourceInside, type TransferSource } from './source.ts';
import { fetchText, mountNfs, textOf } from './transfer.ts';

const LISTING_LIMIT_BYTES = 1024 * 1024;
const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$/;

/**
 * Names of what is in a directory, as far as they are plain; over http, what its page links to. In the order of their letters.
 * @throws AgentError NO_SUCH_FILE, DENIED and the others of `openTransfer`
 */
export async function listDirectory(directory: TransferSource, options: ReachOptions): Promise<readonly string[]> {
  const names = await namesIn(directory, options);
  return [...new Set(names.filter(name => PLAIN_NAME.test(name)))].sort();
}

async function namesIn(directory: TransferSource, options: ReachOptions): Promise<readonly string[]> {
  switch (directory.kind) {
    case 'file':
      return namesOnServer(directory.path, options);
    case 'nfs': {
      const mounted = await mountNfs(directory, options);
      return namesOnServer(mounted.path, options).finally(() => mounted.release());
    }
    case 'ftp': {
      const place = sourceInside(directory, '') as typeof directory;
      const { stream } = await streamContent(
        describeSource(place),
        { ...options, limitBytes: LISTING_LIMIT_BYTES },
        () => Promise.resolve(openFtpDirectory(place, options)),
      );
      return (await textOf(stream)).split(/\r?\n/).map(name => name.slice(name.lastIndexOf('/') + 1));
    }
    default: {
      const page = await fetchText(sourceInside(directory, ''), LISTING_LIMIT_BYTES, options);
      return [...page.matchAll(/\bhref\s*=\s*["']?(?:\.\/)?([^"'\s/>?#]+)\/?["'\s>]/gi)].map(([, name]) => name!);
    }
  }
}

async function namesOnServer(path: string, options: ReachOptions): Promise<readonly string[]> {
  const never = new AbortController().signal;
  return waitPatiently(readdir(path), options, options.signal ?? never).catch((cause: unknown) => {
    const code = (cause as NodeJS.ErrnoException).code;
    const isAbsent = code === 'ENOENT' || code === 'ENOTDIR';
    throw new AgentError(
      isAbsent ? 'NO_SUCH_FILE' : 'HOST',
      `list ${path}: ${messageOf(cause)}; a directory is needed`,
      {
        cause,
      },
    );
  });
}
