import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** Who may import whom: a folder of src, or one file of it. `type` stands for "types only". */
const allowed: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  model: ['errors.ts'],
  config: ['errors.ts', 'model'],
  host: ['errors.ts', 'model'],
  xmlrpc: ['errors.ts', 'model'],
  vmcfg: ['errors.ts', 'model'],
  bootloader: ['errors.ts', 'model', 'host'],
  files: ['errors.ts', 'model', 'host'],
  archives: ['errors.ts', 'model', 'host'],
  images: ['errors.ts', 'model', 'host'],
  'image-files': ['errors.ts', 'model', 'host', 'bootloader'],
  store: ['errors.ts', 'model'],
  peers: ['errors.ts', 'model', 'xmlrpc'],
  transfers: ['errors.ts', 'model', 'host'],
  'install-trees': ['errors.ts', 'model', 'host', 'transfers'],
  drivers: ['errors.ts', 'model', 'host'],
  operations: ['errors.ts', 'model', 'store', 'host'],
  services: [
    'errors.ts',
    'model',
    'vmcfg',
    'operations',
    'drivers/driver.ts',
    'peers/peer.ts',
    'store',
    'host',
    'files',
    'archives',
    'images',
    'transfers',
    'install-trees',
  ],
  roles: ['errors.ts', 'model', 'store', 'peers/peer.ts', 'host/clock.ts'],
  rpc: ['errors.ts', 'model', 'xmlrpc', 'roles', 'type services', 'type operations', 'type host/log.ts'],
  methods: ['errors.ts', 'model', 'rpc', 'xmlrpc', 'services/agent-log.ts', 'type services', 'type operations'],
  wire: ['errors.ts', 'xmlrpc', 'rpc', 'host/atomic-file.ts', 'type host'],
};

/** The files in which every part meets. */
const outermost = ['app.ts', 'main.ts', 'storage-helper.ts'];

interface SourceFile {
  readonly path: string;
  readonly part: string;
  readonly text: string;
  readonly imports: readonly { readonly target: string; readonly typesOnly: boolean }[];
}

const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts'))
  .map((path): SourceFile => {
    const text = readFileSync(join(root, 'src', path), 'utf8');
    const imports = [...text.matchAll(/^import (type )?[^;]*?from '(\.[^']+)'/gms)].map(match => ({
      target: relative('.', join(dirname(path), match[2]!)),
      typesOnly: match[1] !== undefined,
    }));
    return { path, part: path.split('/')[0]!, text, imports };
  });

const inner = sources.filter(source => !outermost.includes(source.path) && !source.path.startsWith('app/'));

function mayImport(source: SourceFile, target: string, typesOnly: boolean): boolean {
  if (target.split('/')[0] === source.part) return sameFolder(source.path, target);
  return (allowed[source.part] ?? []).some(entry => {
    const [place, needsTypes] = entry.startsWith('type ') ? [entry.slice(5), true] : [entry, false];
    return (typesOnly || !needsTypes) && (target === place || target.startsWith(`${place}/`));
  });
}

/** A driver never imports another driver; in other folders neighbours know each other. */
function sameFolder(from: string, target: string): boolean {
  if (!from.startsWith('drivers/') || !/^drivers\/[a-z]+\//.test(target)) return true;
  return dirname(from) === dirname(target) || from === 'drivers/detect.ts';
}

/** Code without its comments, which may speak of anything. */
const codeOf = (source: SourceFile): string => source.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');

describe('the architecture', () => {
  it('has a place in the import matrix for every folder', () => {
    expect([...new Set(inner.map(source => source.part))].sort()).toEqual(Object.keys(allowed).sort());
  });

  it.each(inner.map(source => [source.path, source] as const))(
    '%s imports only what its folder may',
    (_path, source) => {
      const wrong = source.imports
        .filter(item => !mayImport(source, item.target, item.typesOnly))
        .map(item => item.target);
      expect(wrong).toEqual([]);
    },
  );

  it('has no cycle of imports that exist at run time', () => {
    const graph = new Map(
      sources.map(source => [source.path, source.imports.filter(item => !item.typesOnly).map(item => item.target)]),
    );
    const done = new Set<string>();
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) throw new Error(`cycle: ${[...trail, path].join(' → ')}`);
      if (done.has(path)) return;
      for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
      done.add(path);
    };
    for (const path of graph.keys()) expect(() => visit(path, [])).not.toThrow();
  });

  it.each([
    ['child_process', /node:child_process/, /^(?:host|drivers)\//],
    ['SQL', /better-sqlite3/, /^store\//],
    ['process.*', /(?<![./\w-])process\.\w+/, /^(?:main\.ts|host\/processes\.ts)$/],
    [
      'a clock or timer',
      /(?<![.\w])(?:Date\.now|setTimeout|setInterval|performance\.now)\b|new Date\(\)/,
      /^host\/clock\.ts$/,
    ],
  ])('uses %s only where it belongs', (_what, pattern, where) => {
    const wrong = inner
      .filter(source => pattern.test(codeOf(source)) && !where.test(source.path))
      .map(source => source.path);
    expect(wrong).toEqual([]);
  });

  it('has no folder that is named for nothing', () => {
    expect(sources.filter(source => /\b(?:utils|helpers|common|misc)\b/.test(source.path))).toEqual([]);
  });
});
