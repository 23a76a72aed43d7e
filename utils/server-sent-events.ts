/** One event as a server sent it. */
export interface ServerSentEvent {
  readonly id: string;
  readonly type: string;
  readonly data: string;
}

/**
 * Reads a stream of server-sent events piece by piece (WHATWG HTML, 9.2.6). An event counts when the empty line behind it
 * has come; so does its id, also that of a block without data.
 */
export class ServerSentEventReader {
  #rest = '';
  #id = '';
  #type = '';
  #data: string[] = [];
  #lastId = '';
  #isFirst = true;

  /** The id of the last block that came whole. */
  get lastId(): string {
    return this.#lastId;
  }

  push(text: string): readonly ServerSentEvent[] {
    const all = this.#rest + (this.#isFirst && text !== '' ? text.replace(/^\uFEFF/, '') : text);
    if (text !== '') this.#isFirst = false;
    // A CR at the end may be the first half of a line break.
    const isHalf = all.endsWith('\r');
    const lines = (isHalf ? all.slice(0, -1) : all).split(/\r\n|\n|\r/);
    this.#rest = lines.pop()! + (isHalf ? '\r' : '');
    return lines.flatMap(line => this.#line(line) ?? []);
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data.push(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const event = { id: this.#id, type: this.#type || 'message', data: this.#data.join('\n') };
    const hasData = this.#data.length > 0;
    this.#lastId = this.#id;
    this.#type = '';
    this.#data = [];
    return hasData ? event : undefined;
  }
}
