import type { AuthContext, Connection } from 'ssh2'
import { hostKeyFingerprint } from '../../lib/protocol/ssh/host-key.ts'
import type { SshKey } from '../authority/ssh-key.ts'

/** Ours: agents hold many keys, and offer each one; OpenSSH's own server takes 6 in all. */
const MAX_ATTEMPTS = 12

/** What is needed to tell who logs in. */
export interface AuthenticationSetup {
  readonly welcome: (fingerprint: string) => SshKey | undefined
  readonly parseKey: (text: string) => unknown
  readonly onKey: (key: SshKey) => void
  /** Too many tries. */
  readonly onGivenUp: () => void
}

/** As much of a parsed key of ssh2 as is used. */
interface Verifier {
  verify(data: Uint8Array, signature: Uint8Array, algorithm?: string): unknown
}

/** Lets in whoever signs with a key that is enrolled; the key alone says who it is, the user's name is of no account. */
export function authenticate(client: Connection, setup: AuthenticationSetup): void {
  let attempts = 0
  client.on('authentication', (context: AuthContext) => {
    if (context.method === 'publickey') {
      const key = setup.welcome(hostKeyFingerprint(context.key.data))
      const isProbe = context.signature === undefined
      if (key !== undefined && (isProbe || isSigned(context, key, setup.parseKey))) {
        if (!isProbe) setup.onKey(key)
        context.accept()
        return
      }
    }
    if (context.method !== 'none' && ++attempts > MAX_ATTEMPTS) setup.onGivenUp()
    else context.reject(['publickey'])
  })
}

type KeyContext = Extract<AuthContext, { method: 'publickey' }>

function isSigned(context: KeyContext, key: SshKey, parseKey: AuthenticationSetup['parseKey']): boolean {
  const { blob, signature } = context
  const hashAlgorithm = context.hashAlgo
  // RFC 8332: without a hash of its own it would be SHA-1.
  if (key.type === 'ssh-rsa' && hashAlgorithm === undefined) return false
  if (blob === undefined || signature === undefined) return false
  const parsed = parseKey(`${key.type} ${key.base64}`)
  return isVerifier(parsed) && parsed.verify(blob, signature, hashAlgorithm) === true
}

function isVerifier(value: unknown): value is Verifier {
  return typeof value === 'object' && value !== null && !(value instanceof Error) && 'verify' in value
}
