import { timingSafeEqual } from 'node:crypto'
import { toHex } from '../../lib/base/hex.ts'
import type { Random } from '../../lib/base/runtime.ts'
import { Secret } from '../../lib/base/secret.ts'
import { TOKEN_ID_LENGTH, TOKEN_SECRET_LENGTH } from '../../lib/protocol/relay/join-string.ts'
import { sha256Hex } from './key-hash.ts'

/** A right to join, as it is drawn: whoever is let in gets id and secret, the ledger keeps the secret's hash alone. */
export interface DrawnToken {
  readonly id: string
  readonly secret: Secret
  readonly secretSha256: string
}

export function drawToken(random: Random): DrawnToken {
  const secret = new Secret(toHex(random.bytes(TOKEN_SECRET_LENGTH)))
  const id = toHex(random.bytes(TOKEN_ID_LENGTH))
  return { id, secret, secretSha256: sha256Hex(secret.reveal()) }
}

/** True when a hash in the ledger is this secret's, in a time that does not tell where they differ. */
export function isHashOf(secret: Secret, secretSha256: string): boolean {
  return timingSafeEqual(Buffer.from(secretSha256, 'hex'), Buffer.from(sha256Hex(secret.reveal()), 'hex'))
}

/** What a stranger calls a token may be anything; logs get this. */
export function printableTokenId(tokenId: string): string {
  return /^[0-9a-f]{1,32}$/.test(tokenId) ? tokenId : '(malformed)'
}
