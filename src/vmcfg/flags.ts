const YES = ['true', 'yes', 'y', 'on', 't'];
const NO = ['false', 'no', 'n', 'off', 'f', ''];

/**
 * Yes or no in the words of xm; a number other than 0 is yes.
 * @returns undefined for what is neither
 */
export function parseFlag(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (/^\d+$/.test(word)) return Number(word) !== 0;
  return YES.includes(word) ? true : NO.includes(word) ? false : undefined;
}
