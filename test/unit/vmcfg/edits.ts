import { expect } from 'vitest';
import type { AgentError } from '../../../src/errors.ts';
import { GuestFileEditor } from '../../../src/vmcfg/editor.ts';
import type { ConfigValue } from '../../../src/vmcfg/values.ts';
import { failureOf } from '../../support/failure-of.ts';
import { facts64 } from './guest-files.ts';

export type Edit = (editor: GuestFileEditor) => void;

/** The text after an edit. */
export function edited(text: string, edit: Edit, facts = facts64): string {
  const editor = new GuestFileEditor(text, facts);
  edit(editor);
  return editor.text;
}

/** The failure of an edit, which must leave the editor as it was. */
export function refused(text: string, edit: Edit): AgentError {
  const editor = new GuestFileEditor(text, facts64);
  const before = editor.read();
  const failure = failureOf(() => edit(editor));
  expect(editor.text).toBe(text);
  expect(editor.read()).toBe(before);
  return failure;
}

export function set(key: string, value: ConfigValue): Edit {
  return editor => editor.set(key, value);
}

export function remove(key: string): Edit {
  return editor => editor.remove(key);
}

export function insert(key: string, item: ConfigValue, index?: number): Edit {
  return editor => editor.insertItem(key, item, index);
}

export function replace(key: string, index: number, item: ConfigValue): Edit {
  return editor => editor.replaceItem(key, index, item);
}

export function removeItem(key: string, index: number): Edit {
  return editor => editor.removeItem(key, index);
}
