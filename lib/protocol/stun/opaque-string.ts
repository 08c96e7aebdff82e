/**
 * The OpaqueString profile (RFC 8265 §4.2.2), as far as it changes text: spaces of other scripts become the ASCII
 * space, then Unicode normalization form C. Usernames, realms and passwords go through it before they are hashed.
 *
 * Not done: refusing what the profile disallows (control characters, unassigned and default-ignorable code points,
 * joiners out of context). Such text is passed on as it is; the far end, which holds the same password, decides. Nor
 * is SASLprep (RFC 4013, which RFC 5389 asked for): the two differ for compatibility characters like U+00AA and for
 * soft hyphens, so a password with such characters may fail against a server of RFC 5389.
 */
export function opaqueString(text: string): string {
  return text.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')
}
