import { type DestinationStream, type Logger, multistream, pino, type StreamEntry } from 'pino';

/**
 * Where every part writes its lines. A line is `(facts, sentence)`; `child` adds facts to each line, such as the id of
 * the call. Passwords and credentials are never among the facts.
 */
export type Log = Logger;

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * @param level lines below it are dropped
 * @param destinations each gets every line as one JSON object with an ISO 8601 time
 */
export function createLog(level: LogLevel, destinations: readonly DestinationStream[]): Log {
  const streams: StreamEntry[] = destinations.map(stream => ({ level: 'trace', stream }));
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
    },
    streams.length === 1 ? streams[0]!.stream : multistream(streams),
  );
}

/** Lines for people: time, level, sentence, facts. Loaded only where a terminal is there to read it. */
export async function terminalDestination(descriptor: number): Promise<DestinationStream> {
  const { PinoPretty } = await import('pino-pretty');
  return PinoPretty({ destination: descriptor, sync: true, translateTime: 'HH:MM:ss.l', singleLine: true });
}
