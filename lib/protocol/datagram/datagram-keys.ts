import { hkdfSync } from 'node:crypto'

/** RFC 8446 §7.5, RFC 5705 §4: the label under which both ends of a path's TLS get the same secrets. */
export const DATAGRAM_EXPORTER_LABEL = 'EXPORTER-p2p-reach datagram v1'

const SECRET_LENGTH = 32
/** Two secrets. */
export const DATAGRAM_EXPORT_LENGTH = 2 * SECRET_LENGTH

/** RFC 5116 §5.1, RFC 8439 §2.8: of all three. */
export const NONCE_LENGTH = 12
export const TAG_LENGTH = 16
/** Ours: tells packets of one path from those of others on the same port. */
export const TOKEN_LENGTH = 4

/** How packets are sealed, in the words of Node. */
export type DatagramAead = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305'

/** Lengths of keys in bytes. */
const KEY_LENGTHS: Readonly<Record<DatagramAead, number>> = {
  'aes-128-gcm': 16,
  'aes-256-gcm': 32,
  'chacha20-poly1305': 32,
}

/** RFC 8446 §B.4. */
const AEADS: Readonly<Record<string, DatagramAead>> = {
  TLS_AES_128_GCM_SHA256: 'aes-128-gcm',
  TLS_AES_256_GCM_SHA384: 'aes-256-gcm',
  TLS_CHACHA20_POLY1305_SHA256: 'chacha20-poly1305',
}

/** The AEAD that the TLS of the path uses; undefined for a suite that nobody has heard of. */
export function datagramAead(cipherSuite: string): DatagramAead | undefined {
  return Object.hasOwn(AEADS, cipherSuite) ? AEADS[cipherSuite] : undefined
}

/** The secrets of both directions of a path. */
export interface DatagramSecrets {
  /** Of what the side sends that was TLS's client. */
  readonly fromClient: Uint8Array
  readonly fromServer: Uint8Array
}

/** @param exported {@link DATAGRAM_EXPORT_LENGTH} bytes of the TLS exporter */
export function datagramSecrets(exported: Uint8Array): DatagramSecrets {
  if (exported.length !== DATAGRAM_EXPORT_LENGTH) throw new RangeError(`${exported.length} bytes exported`)
  return { fromClient: exported.slice(0, SECRET_LENGTH), fromServer: exported.slice(SECRET_LENGTH) }
}

/** What the packets of one direction are known by. */
export function datagramToken(secret: Uint8Array): Uint8Array {
  return derive(secret, 'p2p-reach datagram token', TOKEN_LENGTH)
}

/** What packets of one epoch are sealed with. */
export interface EpochKey {
  readonly epoch: number
  readonly key: Uint8Array
  /** The nonce of a packet is this, XORed with its counter (RFC 8446 §5.3). */
  readonly iv: Uint8Array
}

/** Every epoch has its own, made of the secret: either side can go on to the next one without asking the other. */
export function epochKey(secret: Uint8Array, aead: DatagramAead, epoch: number): EpochKey {
  const keyLength = KEY_LENGTHS[aead]
  const derived = derive(secret, `p2p-reach datagram ${aead} epoch ${epoch}`, keyLength + NONCE_LENGTH)
  return { epoch, key: derived.subarray(0, keyLength), iv: derived.subarray(keyLength) }
}

/** RFC 5869, with SHA-256 and no salt: the secret is random already. */
function derive(secret: Uint8Array, info: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(0), info, length))
}
