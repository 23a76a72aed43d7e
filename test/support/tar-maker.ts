/** Makes tar archives of any kind, honest or not: every field of a header can be given as the bytes that it shall have. */

export interface HeaderFields {
  readonly name?: string | Buffer;
  readonly type?: string;
  /** A number is written in octal, a text as it is. */
  readonly size?: number | string | Buffer;
  readonly modified?: number | string | Buffer;
  readonly mode?: string;
  readonly linkName?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly checksum?: string;
  /** Bytes that are put anywhere into the header. */
  readonly patches?: readonly (readonly [at: number, bytes: string | Buffer])[];
}

export const USTAR = 'ustar\x0000';
export const GNU = 'ustar  \0';
export const V7 = '\0'.repeat(8);

export const END = Buffer.alloc(1024);

export function header(fields: HeaderFields): Buffer {
  const block = Buffer.alloc(512);
  const put = (at: number, value: string | Buffer): void => {
    Buffer.from(value as string, 'latin1').copy(block, at);
  };
  const number = (value: number | string | Buffer): string | Buffer =>
    typeof value === 'number' ? value.toString(8).padStart(11, '0') : value;
  const name = fields.name ?? 'file';
  put(0, typeof name === 'string' ? Buffer.from(name) : name);
  put(100, fields.mode ?? '0000644');
  put(108, '0000000');
  put(116, '0000000');
  put(124, number(fields.size ?? 0));
  put(136, number(fields.modified ?? 1_000_000_000));
  put(156, fields.type ?? '0');
  put(157, fields.linkName ?? '');
  put(257, fields.magic ?? USTAR);
  put(345, Buffer.from(fields.prefix ?? ''));
  for (const [at, bytes] of fields.patches ?? []) put(at, bytes);
  put(148, '        ');
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, fields.checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `);
  return block;
}

export function filled(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** An entry with content; its size is that of the content if no other is given. */
export function entry(fields: HeaderFields, content: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([header({ size: bytes.length, ...fields }), filled(bytes)]);
}

/** One record of an extended header. */
export function record(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), Buffer.from(value as string), Buffer.from('\n')]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

export type Records = readonly (readonly [key: string, value: string])[];

/** An extended header with these records, or with these bytes in their place. */
export function pax(records: Records | string, type: 'x' | 'g' = 'x'): Buffer {
  const bytes =
    typeof records === 'string'
      ? Buffer.from(records)
      : Buffer.concat(records.map(([key, value]) => record(key, value)));
  return entry({ name: 'PaxHeaders/file', type }, bytes);
}

/** A long name of GNU tar. */
export function longName(name: string | Buffer): Buffer {
  return entry(
    { name: '././@LongLink', type: 'L', magic: GNU },
    Buffer.concat([Buffer.from(name as string), Buffer.alloc(1)]),
  );
}

/** Pieces as octal pairs: those of a sparse header begin at byte 386, of an extension at 0. */
export function pairs(pieces: readonly (readonly [offset: number, length: number])[]): string {
  const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
  return pieces.map(([offset, length]) => octal(offset) + octal(length)).join('');
}

/** The header of a sparse file of GNU tar. */
export function sparse(
  pieces: readonly (readonly [offset: number, length: number])[],
  { realSize, ...fields }: HeaderFields & { readonly realSize: number | string },
): Buffer {
  const real = typeof realSize === 'number' ? realSize.toString(8).padStart(11, '0') : realSize;
  const patches = [[386, pairs(pieces)], [483, real], ...(fields.patches ?? [])] as const;
  return header({
    type: 'S',
    magic: GNU,
    size: pieces.reduce((sum, [, length]) => sum + length, 0),
    ...fields,
    patches,
  });
}

export function archive(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, END]);
}
