import { createHash } from 'node:crypto'

/** A public key as SSH writes it (RFC 4253 §6.6): a string that names its type, then the rest. */
export type HostKeyBlob = Uint8Array

/** The type that a key says it has, `ssh-ed25519`; empty when it is no key. */
export function hostKeyType(blob: HostKeyBlob): string {
  const bytes = Buffer.from(blob)
  if (bytes.length < 4) return ''
  return bytes.toString('latin1', 4, Math.min(bytes.length, 4 + bytes.readUInt32BE(0)))
}

/** As `ssh-keygen -l` prints it: `SHA256:` and base64 without padding. */
export function hostKeyFingerprint(blob: HostKeyBlob): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`
}
