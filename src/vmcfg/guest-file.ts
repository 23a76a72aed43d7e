import type { SystemName } from '../model/system-name.ts';
import type { ConfigValue } from './values.ts';

/** What a guest file may ask of the server it is read on. */
export interface HostFacts {
  readonly uname: SystemName;
}

export interface ConfigEntry {
  readonly name: string;
  readonly value: ConfigValue;
  /** Place of the assignment that holds: the last one. Counted from 1. */
  readonly line: number;
  readonly column: number;
}

/** The names of a guest file in the order in which they were first set, helpers such as `arch` among them. */
export type GuestFile = ReadonlyMap<string, ConfigEntry>;
