/** Made when a text needs it: it loads tables for 20 ms, and few texts do. */
let segmenter: Intl.Segmenter | undefined

/** East Asian Wide and Fullwidth blocks (UAX #11), in the coarse ranges that matter to a terminal. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f300, 0x1faff],
  [0x20000, 0x3fffd],
]

/** Every segment holds a copy of the whole text (Node 20), so long texts must be segmented in pieces. */
const PIECES = /[^]{1,200}/gu

/** Latin, punctuation, arrows and signs, of which every code point stands alone: nearly all of our texts. */
const SIMPLE = /^[\x20-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u27bf]*$/

/** What a reader sees as one character each. */
export function graphemes(text: string): readonly string[] {
  if (SIMPLE.test(text)) return text.split('')
  const pieces = text.match(PIECES) ?? []
  const splitter = (segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' }))
  return pieces.flatMap((piece) => Array.from(splitter.segment(piece), ({ segment }) => segment))
}

/** Columns that one grapheme takes in a terminal: 0, 1 or 2. */
export function graphemeWidth(grapheme: string): number {
  const codePoint = grapheme.codePointAt(0) ?? 0
  if (codePoint < 0x7f) return 1
  if (/^\p{M}+$/u.test(grapheme)) return 0
  if (/^\p{Emoji_Presentation}/u.test(grapheme) || grapheme.includes('\ufe0f')) return 2
  return WIDE.some(([low, high]) => codePoint >= low && codePoint <= high) ? 2 : 1
}

/** Columns that a text takes in a terminal. */
export function textWidth(text: string): number {
  return graphemes(text).reduce((sum, grapheme) => sum + graphemeWidth(grapheme), 0)
}

/** Cuts a text to a number of columns; what was cut off is told by `ellipsis`. */
export function clip(text: string, columns: number, ellipsis = '…'): string {
  if (textWidth(text) <= columns) return text
  const room = columns - textWidth(ellipsis)
  let used = 0
  let kept = ''
  for (const grapheme of graphemes(text)) {
    used += graphemeWidth(grapheme)
    if (used > room) break
    kept += grapheme
  }
  return columns < textWidth(ellipsis) ? '' : kept.trimEnd() + ellipsis
}
