/** Fields of one record. */
export type Fields = Readonly<Record<string, FieldValue>>;
export type FieldValue = string | number | boolean;

/** New values of fields; null removes a field. */
export type FieldChanges = Readonly<Record<string, FieldValue | null>>;

export interface StoredRecord {
  readonly key: string;
  readonly fields: Fields;
}

/**
 * The agent's memory: records of named fields, by database (`vm`, `server`) and key.
 * Reads answer at once from what this server knows; a write is durable when its promise resolves.
 * All fail with AgentError STORE.
 */
export interface Store {
  find(database: string, key: string): Fields | undefined;
  list(database: string): readonly StoredRecord[];
  /** Names of the databases that hold a record. */
  databases(): readonly string[];
  /** Makes the record when it is not there, and changes the given fields; others stay. */
  merge(database: string, key: string, changes: FieldChanges): Promise<void>;
  delete(database: string, key: string): Promise<void>;
  close(): Promise<void>;
}
