import type { Algorithms } from 'ssh2'

/** What the relay speaks as a server: lib/ssh/algorithms.ts says why, and OpenSSH has spoken all of it since 2014. */
export const SERVER_ALGORITHMS: Algorithms = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org', 'ecdh-sha2-nistp256', 'ecdh-sha2-nistp384'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
  compress: ['none'], // a compressor for each stranger would be a gift to attackers
}
