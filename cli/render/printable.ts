/** Layout's own white space is a plain space; everything else that moves the cursor or hides is shown as an escape. */
const WHITE_SPACE = /[\t\n\v\f\r\u0085\u2028\u2029]+/gu
/** Controls (ESC!), format characters (bidi overrides, zero width), private use, lone surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/gu

/**
 * Text that is safe to show: reports carry strings that servers, portals and routers chose, and an escape sequence or a
 * right-to-left override in one of them must not repaint the terminal or reorder the page.
 */
export function printable(text: string): string {
  return text.replace(WHITE_SPACE, ' ').replace(INVISIBLE, escapeCharacter)
}

/** Ours: the longest text of one field that a terminal gets to see; servers choose some of them. */
const MAX_TERMINAL_TEXT = 600

/** One text as a terminal gets it: safe, of bounded length, and ASCII where the locale has nothing else. */
export function terminalText(text: string, options: { readonly unicode: boolean }): string {
  const isLong = text.length > MAX_TERMINAL_TEXT
  const start = isLong ? text.slice(0, MAX_TERMINAL_TEXT).replace(/[\ud800-\udbff]$/, '') + '…' : text
  return options.unicode ? printable(start) : toAscii(printable(start))
}

/** The JSON text with what terminals act on written as JSON's own escapes: the same value, and safe to look at. */
export function printableJson(json: string): string {
  return json.replace(INVISIBLE, (character) =>
    character === '\n' ? character : [...codeUnits(character)].map(jsonEscape).join(''),
  )
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}

function* codeUnits(character: string): Iterable<number> {
  for (let i = 0; i < character.length; i++) yield character.charCodeAt(i)
}

function jsonEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, '0')}`
}

/** What our own typography becomes where the locale can't show it. */
const FOLDS: ReadonlyMap<string, string> = new Map([
  ['✓', '+'],
  ['✗', 'x'],
  ['·', '-'],
  ['─', '-'],
  ['→', '->'],
  ['≈', '~'],
  ['×', 'x'],
  ['’', "'"],
  ['‘', "'"],
  ['“', '"'],
  ['”', '"'],
  ['–', '-'],
  ['—', '-'],
])

/** The nearest ASCII: accents go, known signs are replaced, the rest becomes `?`. */
export function toAscii(text: string): string {
  // NFKD also takes apart `…`, ligatures and full-width letters.
  const decomposed = text.normalize('NFKD').replace(/\p{M}/gu, '')
  return Array.from(decomposed, (c) => (c < '\x7f' ? c : (FOLDS.get(c) ?? '?'))).join('')
}
