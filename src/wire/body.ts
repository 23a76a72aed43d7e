import type { IncomingMessage } from 'node:http';

/**
 * Collects the body of a request.
 * @param limitBytes a longer one is not read to its end
 * @param done called once, with the body or with nothing when it is too large; never when the caller goes away
 */
export function bodyOf(request: IncomingMessage, limitBytes: number, done: (body: Buffer | undefined) => void): void {
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) {
    done(undefined);
    return;
  }
  let first: Buffer | undefined;
  let others: Buffer[] | undefined;
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    const isTooLarge = size > limitBytes;
    size += chunk.length;
    if (size > limitBytes) {
      request.pause();
      if (!isTooLarge) done(undefined);
    } else if (first) {
      (others ??= [first]).push(chunk);
    } else {
      // Nearly every call comes in one piece.
      first = chunk;
    }
  });
  request.on('end', () => {
    if (size <= limitBytes) done(others ? Buffer.concat(others) : (first ?? Buffer.alloc(0)));
  });
}
