import type { Algorithms, ServerHostKeyAlgorithm } from 'ssh2'

/**
 * What we speak: forward secrecy, nothing with SHA-1, CBC or a group below 2048 bits, AEAD ciphers first (Terrapin,
 * CVE-2023-48795, needs the others, and strict key exchange stops it for all). Everything that OpenSSH has spoken
 * since 2014. What the ciphers protect is encrypted from peer to peer already.
 */
export const ALGORITHMS: Algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes256-ctr',
  ],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'], // it is ciphertext
}

/** Key types as known_hosts names them, and the signatures that they make. */
const SIGNATURES: ReadonlyMap<string, readonly ServerHostKeyAlgorithm[]> = new Map([
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256']],
])

/**
 * The host key algorithms to offer: those of keys that are known, so that the server shows one of these rather than one
 * that would look changed; all where none is known.
 */
export function hostKeyAlgorithms(knownTypes: readonly string[]): ServerHostKeyAlgorithm[] {
  const known = [...SIGNATURES].filter(([type]) => knownTypes.includes(type))
  return (known.length === 0 ? [...SIGNATURES] : known).flatMap(([, algorithms]) => algorithms)
}
