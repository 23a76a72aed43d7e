import type { GuestFileEditor } from './editor.ts';
import { fromPlain } from './plain-values.ts';

/** New values by key, as programs outside the agent have them; null removes a key. */
export type ConfigChanges = Readonly<Record<string, unknown>>;

/** @throws AgentError BAD_VALUE for what a guest file cannot hold; nothing is changed then */
export function applyChanges(editor: GuestFileEditor, changes: ConfigChanges): void {
  const read = Object.entries(changes).map(([key, value]) => [key, fromPlain(value, key)] as const);
  for (const [key, value] of read) {
    if (value === null) editor.remove(key);
    else editor.set(key, value);
  }
}
