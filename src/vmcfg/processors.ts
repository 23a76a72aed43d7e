import type { GuestConfig, ProcessorShare } from '../model/guest-config.ts';
import { quote } from '../model/guest-path.ts';
import type { ConfigKeys } from './config-keys.ts';

const MOST_PROCESSORS = 4096;

/** `cpus` names host processors for all of the guest's, or in a list for each of them (xl.cfg(5)). */
export function pinningOf(keys: ConfigKeys, maxVcpus: number): GuestConfig['pinning'] {
  const sets = keys.textOrList('cpus').map(text => {
    const processors = parseProcessorSet(text);
    return typeof processors === 'string' ? keys.fail('cpus', processors) : processors;
  });
  if (sets.length === 1 && sets[0]!.length === 0) return [];
  if (sets.some(set => set.length === 0)) {
    keys.fail('cpus', 'in a list each item must name processors, such as 0 or 2-3');
  }
  // In a list shorter than the number of processors the last item holds for the rest.
  return sets.length <= 1 ? sets : Array.from({ length: maxVcpus }, (_, index) => sets[index] ?? sets.at(-1)!);
}

/**
 * Reads a set such as `0-3,5,^1`: ranges and numbers, and with `^` those that are taken away again.
 * @returns the numbers in ascending order; none stands for all; a text is the reason why it cannot be read
 */
export function parseProcessorSet(text: string): readonly number[] | string {
  const trimmed = text.trim();
  if (['', 'all', '-1'].includes(trimmed)) return [];
  const chosen = new Set<number>();
  for (const part of trimmed.split(',').map(item => item.trim())) {
    const [, without, low, high = low] = /^(\^?)(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    const [first, last] = [Number(low), Number(high)];
    if (low === undefined || last < first || last >= MOST_PROCESSORS) {
      return `${quote(part)} in ${quote(text)} is no set of processors such as 0-3,5,^1`;
    }
    for (let number = first; number <= last; number++) {
      if (without) chosen.delete(number);
      else chosen.add(number);
    }
  }
  return chosen.size === 0 ? `${quote(text)} leaves no processor` : [...chosen].sort((left, right) => left - right);
}

export function processorShareOf(keys: ConfigKeys): ProcessorShare {
  const weight = keys.integer('cpu_weight', 0, 65_535);
  const capPercent = keys.integer('cpu_cap', 0, 100 * MOST_PROCESSORS);
  // 0 leaves both to the scheduler (xl.cfg(5)).
  return { weight: weight === 0 ? undefined : weight, capPercent: capPercent === 0 ? undefined : capPercent };
}
