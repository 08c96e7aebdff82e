import { ReachError } from '../../base/errors.ts'

/** Ours: of certificates that belong together, more than this is no chain. */
const MAX_BLOCKS = 16

/** DER as PEM (RFC 7468) with this label. */
export function encodePem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}

/** All blocks with this label, as DER, in their order. @throws {ReachError} ERR_REACH_DECODE when a block is broken */
export function decodePem(text: string, label: string): readonly Uint8Array[] {
  const pattern = new RegExp(`-----BEGIN ${label}-----([^-]*)-----END ${label}-----`, 'g')
  const bodies = [...text.matchAll(pattern)].map((match) => (match[1] ?? '').replace(/\s+/g, ''))
  if (bodies.length > MAX_BLOCKS) {
    throw new ReachError('ERR_REACH_DECODE', `more than ${MAX_BLOCKS} blocks of ${label}`)
  }
  return bodies.map((body) => {
    if (!/^[A-Za-z0-9+/]+={0,2}$/.test(body)) {
      throw new ReachError('ERR_REACH_DECODE', `a block of ${label} is no base64`)
    }
    return new Uint8Array(Buffer.from(body, 'base64'))
  })
}
