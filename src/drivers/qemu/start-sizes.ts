/** Memory and processors of a guest at its start, and the memory it may grow to. */
export interface StartSizes {
  readonly memoryMib: number;
  readonly maxMemoryMib: number;
  readonly vcpus: number;
}

/**
 * What a QEMU was given at its start, from its own command line: so it is known of guests that an earlier release of the
 * agent started as well.
 */
export function startSizes(args: readonly string[]): StartSizes {
  const memory = valuesOf(args, '-m');
  const memoryMib = sizeOf(memory.get('size'));
  return {
    memoryMib,
    maxMemoryMib: memory.has('maxmem') ? sizeOf(memory.get('maxmem')) : memoryMib,
    vcpus: sizeOf(valuesOf(args, '-smp').get('cpus')),
  };
}

function valuesOf(args: readonly string[], option: string): ReadonlyMap<string, string> {
  const place = args.indexOf(option);
  const parts = place < 0 ? [] : (args[place + 1] ?? '').split(',');
  return new Map(parts.map(part => part.split('=', 2) as [string, string]));
}

/** Sizes are written in MiB: `96M`. */
function sizeOf(text = ''): number {
  return Number.parseInt(text, 10) || 0;
}
