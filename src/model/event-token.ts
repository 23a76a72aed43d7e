import { AgentError } from '../errors.ts';
import { quote } from './guest-path.ts';

/** A place in an event log: behind the event of that number, in the log of that epoch. */
export interface EventPlace {
  readonly epoch: string;
  readonly number: number;
}

/** What every token looks like. */
export const EVENT_TOKEN = /^([0-9a-f]{8})-(0|[1-9]\d{0,14})$/;

/** The place as clients keep it and give it back: they need not understand it. */
export function eventToken({ epoch, number }: EventPlace): string {
  return `${epoch}-${number}`;
}

/** @throws AgentError BAD_VALUE when no agent can have given it out */
export function parseEventToken(text: string): EventPlace {
  const [, epoch, number] = EVENT_TOKEN.exec(text) ?? [];
  if (epoch === undefined || number === undefined) {
    throw new AgentError(
      'BAD_VALUE',
      `events after ${quote(text)}: it is no token of an event; give the one that came with the last event`,
    );
  }
  return { epoch, number: Number(number) };
}
