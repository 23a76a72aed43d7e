/**
 * Changes of the database's layout, in order. The number of a change is its place in the list, counted from 1, and
 * stands in `PRAGMA user_version`. A change that was released is never edited.
 */
export const migrations: readonly string[] = [
  `CREATE TABLE record (
     database TEXT NOT NULL,
     key TEXT NOT NULL,
     fields TEXT NOT NULL CHECK (json_valid(fields)),
     PRIMARY KEY (database, key)
   ) STRICT, WITHOUT ROWID`,
];
