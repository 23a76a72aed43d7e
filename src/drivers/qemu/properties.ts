/**
 * Properties of a device, image or other part of QEMU, as QMP takes them (QAPI). On a command line the same are written
 * with dots for what is nested and on and off for what is true and false.
 */
export interface Properties {
  readonly [name: string]: string | number | boolean | Properties;
}

/**
 * An option of the command line with its value; a comma inside a value is doubled, as QEMU's option syntax asks.
 * @param first a value that stands without a key at the beginning; empty for none
 */
export function option(name: string, first: string, properties: Properties = {}): [string, string] {
  const parts = first === '' ? [] : [escapeCommas(first)];
  return [name, [...parts, ...flatten(properties, '')].join(',')];
}

/** A device for the command line: its kind stands first, by custom. */
export function deviceOption({ driver, ...rest }: DeviceProperties): [string, string] {
  return option('-device', driver, rest);
}

export type DeviceProperties = Properties & { readonly driver: string };

function flatten(properties: Properties, prefix: string): string[] {
  return Object.entries(properties).flatMap(([name, value]) => {
    if (typeof value === 'object') return flatten(value, `${prefix}${name}.`);
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
    return [`${prefix}${name}=${escapeCommas(text)}`];
  });
}

function escapeCommas(value: string): string {
  return value.replaceAll(',', ',,');
}
