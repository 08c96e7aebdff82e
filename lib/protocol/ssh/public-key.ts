import { ReachError } from '../../base/errors.ts'
import { hostKeyFingerprint, hostKeyType } from './host-key.ts'

/** Somebody's public key, as a line of `id_ed25519.pub` has it. */
export interface SshPublicKey {
  /** `ssh-ed25519`. */
  readonly type: string
  /** The key as SSH writes it, in base64: the second word of the line. */
  readonly base64: string
  /** `SHA256:…` */
  readonly fingerprint: string
}

/** Types whose signatures are taken. With SHA-1 none is: keys of `ssh-rsa` sign as RFC 8332 says. */
const TYPES = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
] as const
/** Ours: the longest, RSA with 16384 bits, has some 2,800 letters. */
const MAX_LINE_LENGTH = 8192
const ED25519_LENGTH = 32
/** NIST SP 800-131A: below it, RSA may not sign. */
const MIN_RSA_BITS = 2048
const HINT = 'give it the file that ends in .pub:  ssh-keygen -t ed25519  makes one'

/** Reads `TYPE BASE64 [COMMENT]`, one key alone. @throws {ReachError} ERR_REACH_SSH_KEY */
export function parseSshPublicKey(text: string): SshPublicKey {
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
  const [line, another] = lines
  if (line === undefined) throw invalid('there is no key')
  if (/PRIVATE KEY/.test(line)) throw invalid('that is a private key, which never leaves its owner')
  if (another !== undefined) throw invalid('there is more than one key')
  const [type = '', base64 = ''] = line.trim().split(/\s+/)
  if (line.length > MAX_LINE_LENGTH || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw invalid('that is no public key')
  if (!TYPES.some((known) => known === type))
    throw invalid(`keys of the type ${JSON.stringify(type)} can’t log in`)
  const blob = Buffer.from(base64, 'base64')
  checkBlob(type, blob)
  return { type, base64: blob.toString('base64'), fingerprint: hostKeyFingerprint(blob) }
}

function checkBlob(type: string, blob: Buffer): void {
  const fields = hostKeyType(blob) === type ? fieldsOf(blob) : undefined
  if (fields === undefined) throw invalid('the public key is damaged')
  const last = fields.at(-1)?.length ?? 0
  if (type === 'ssh-ed25519' && (fields.length !== 2 || last !== ED25519_LENGTH))
    throw invalid('the public key is damaged')
  // RFC 4253 §6.6: exponent, then modulus, which has a zero byte before it where its first bit is set.
  if (type === 'ssh-rsa' && last * 8 < MIN_RSA_BITS) throw invalid(`an RSA key needs ${MIN_RSA_BITS} bits`)
}

/** The strings that a key is made of (RFC 4251 §5); undefined when they don't fill it. */
function fieldsOf(blob: Buffer): readonly Buffer[] | undefined {
  const fields: Buffer[] = []
  let at = 0
  while (at + 4 <= blob.length) {
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) return undefined
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return at === blob.length ? fields : undefined
}

function invalid(why: string): ReachError {
  return new ReachError('ERR_REACH_SSH_KEY', why, { hint: HINT })
}
