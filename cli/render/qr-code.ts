import { encodeQR } from 'qr'

/** Two rows of modules in one line of characters: full, upper half, lower half, none. */
const HALF_BLOCKS = ['█', '▀', '▄', ' '] as const
/** ISO/IEC 18004 §6.3.8: a quiet zone of four modules; two do for cameras, and save room. */
const QUIET_ZONE = 2

/**
 * A text as a QR code for a dark or light terminal: light modules are drawn, dark ones left out, which cameras read
 * either way. The letters become capitals, which need less room in the code; what is coded that way must not mind.
 */
export function renderQrCode(text: string): string {
  const modules = encodeQR(text.toUpperCase(), 'raw', { ecc: 'low', border: QUIET_ZONE })
  const lines: string[] = []
  for (let row = 0; row < modules.length; row += 2) {
    const upper = modules[row] ?? []
    const lower = modules[row + 1] ?? []
    const line = upper.map(
      (isDark, column) => HALF_BLOCKS[(isDark ? 2 : 0) + ((lower[column] ?? false) ? 1 : 0)] ?? ' ',
    )
    lines.push(line.join(''))
  }
  return `${lines.join('\n')}\n`
}
