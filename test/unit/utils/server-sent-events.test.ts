import { describe, expect, it } from 'vitest';
import { type ServerSentEvent, ServerSentEventReader } from '../../../utils/server-sent-events.ts';

const read = (...parts: string[]): readonly ServerSentEvent[] => {
  const reader = new ServerSentEventReader();
  return parts.flatMap(part => reader.push(part));
};

describe('server-sent events', () => {
  const stream =
    'retry: 2000\nid: a-0\n\n: \n\nid: a-1\nevent: guest\ndata: {"x":1}\n\nid: a-2\nevent: call\ndata: two\n\n';
  const events = [
    { id: 'a-1', type: 'guest', data: '{"x":1}' },
    { id: 'a-2', type: 'call', data: 'two' },
  ];

  it('are read with their id, kind and data', () => {
    expect(read(stream)).toEqual(events);
  });

  it.each(['\n', '\r\n', '\r'])('are the same wherever the pieces end, with line ends %j', end => {
    const text = stream.replaceAll('\n', end);
    for (let cut = 0; cut <= text.length; cut++) {
      // A last line break that may be half of one waits for what follows.
      expect(read(text.slice(0, cut), text.slice(cut), end === '\r' ? ': ' : '')).toEqual(events);
    }
    expect(read(...text.split(''), ': ')).toEqual(events);
  });

  it('count only when the empty line behind them has come, and so does their id', () => {
    const reader = new ServerSentEventReader();
    expect(reader.push('id: a-1\ndata: one\n')).toEqual([]);
    expect(reader.lastId).toBe('');
    expect(reader.push('\n')).toHaveLength(1);
    expect(reader.lastId).toBe('a-1');
    reader.push(': \nid: a-9\n\n');
    expect(reader.lastId).toBe('a-9');
  });

  it('follow the standard in its corners', () => {
    // The examples of the WHATWG HTML standard, 9.2.6.
    expect(read('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual([{ id: '', type: 'message', data: 'YHOO\n+2\n10' }]);
    expect(read('data\n\ndata\ndata\n\ndata:')).toEqual([
      { id: '', type: 'message', data: '' },
      { id: '', type: 'message', data: '\n' },
    ]);
    expect(read('\uFEFFdata:test\n\ndata: test\n\n').map(({ data }) => data)).toEqual(['test', 'test']);
    expect(read('data: one\nid: 1\n\ndata:two\nid\n\ndata:  three\n\n')).toEqual([
      { id: '1', type: 'message', data: 'one' },
      { id: '', type: 'message', data: 'two' },
      { id: '', type: 'message', data: ' three' },
    ]);
  });
});
