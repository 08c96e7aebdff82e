/** Ours: longer than any honest issuer, server name or URL that a person would read in a report. */
const MAX_LENGTH = 200

/**
 * Text from the network, fit for reports and terminals: control, format and unassigned characters (escape sequences,
 * direction marks, line breaks) become `?`, and it is cut to 200 characters.
 */
export function printable(text: string): string {
  const clean = text.slice(0, MAX_LENGTH).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?')
  return text.length > MAX_LENGTH ? `${clean}…` : clean
}
