import { findNearest } from '../model/nearest.ts';
import type { CheckSubject, Draft, Rule } from './checks.ts';
import { isOfLaterRelease, knownKeys } from './known-keys.ts';
import { type ConfigValue, itemsOf } from './values.ts';

/** Keys from which nothing follows. */
export const keyRules: readonly Rule[] = [keysWithoutEffect, unknownKeys];

function keysWithoutEffect({ file, host }: CheckSubject): Draft[] {
  return [...file].flatMap(([key, { value }]): Draft[] => {
    const known = Object.hasOwn(knownKeys, key) ? knownKeys[key] : undefined;
    const isInVain = known?.effect === 'none' || (known?.effect === 'on-xen' && !host.isXen);
    if (!isInVain || saysNothing(value)) return [];
    return [
      {
        code: 'WITHOUT_EFFECT',
        severity: 'note',
        key,
        message: `${key} has no effect here`,
        mend: `nothing need be done. ${known.meaning.replace(/\.$/, '')}`,
      },
    ];
  });
}

/** Values that switch something off, as files write them that name every key there is. */
function saysNothing(value: ConfigValue): boolean {
  return (
    value === null || value === 0 || value === false || value === '' || value === '0' || itemsOf(value)?.length === 0
  );
}

function unknownKeys({ file }: CheckSubject): Draft[] {
  return [...file.keys()].flatMap((key): Draft[] => {
    if (Object.hasOwn(knownKeys, key) || isOfLaterRelease(key)) return [];
    const meant = key.length > 3 ? findNearest(key, Object.keys(knownKeys), known => known) : undefined;
    // Other names are a file's own, such as arch: they are written to be used, and nobody is surprised.
    if (meant === undefined) return [];
    return [
      {
        code: 'UNKNOWN_KEY',
        severity: 'warning',
        key,
        message: `${key} is no key that the agent knows`,
        mend: `write ${meant} if that is meant`,
      },
    ];
  });
}
