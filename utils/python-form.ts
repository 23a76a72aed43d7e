/** A value as Python's repr() prints it: the form in which the original's programs showed their arguments. */
export function pythonForm(value: unknown): string {
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null || value === undefined) return 'None';
  if (Array.isArray(value)) return `[${value.map(pythonForm).join(', ')}]`;
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value === 'object') {
    const members = Object.entries(value).map(([key, member]) => `${quoted(key)}: ${pythonForm(member)}`);
    return `{${members.join(', ')}}`;
  }
  throw new TypeError(`a ${typeof value} has no form in Python`);
}

/** Single quotes, unless the text has some and no double ones. */
function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll('\\', '\\\\')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t')
    .replaceAll(quote, `\\${quote}`)
    // Terminals act on control characters; Python shows them instead.
    .replace(
      /[\u0000-\u001f\u007f-\u009f]/g,
      character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
    );
  return quote + escaped + quote;
}
