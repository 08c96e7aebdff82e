import { createCipheriv, createDecipheriv } from 'node:crypto'
import { sameBytes } from '../../base/same-bytes.ts'
import type { DatagramAead, EpochKey } from './datagram-keys.ts'
import { NONCE_LENGTH, TAG_LENGTH, TOKEN_LENGTH, datagramToken, epochKey } from './datagram-keys.ts'
import { ReplayWindow } from './replay-window.ts'

/*
 * A sealed packet: `0x0d · token (4 B) · counter u48 · sealed: flow u32 · bytes · tag (16 B)`. What stands in front is
 * authenticated with the rest. Which flow it is nobody else sees.
 *
 * The counter has 48 bits and not 64: with them a datagram of 1,200 bytes fits the 1,232 that every path over IPv6
 * carries, and a million packets a second take nine years.
 */

/** Ours: of the values that RFC 7983 leaves unassigned, one that is not QUIC's either (RFC 9443 takes 64 to 127 and 192 to 255). */
export const SEALED_PACKET = 0x0d

const HEADER_LENGTH = 1 + TOKEN_LENGTH + 6
const FLOW_LENGTH = 4
/** By so much a packet is longer than what it carries. */
export const SEALED_OVERHEAD = HEADER_LENGTH + FLOW_LENGTH + TAG_LENGTH

/** RFC 9001 §6.6: packets that AES-GCM may seal with one key. */
export const EPOCH_PACKETS = 2 ** 23
/** RFC 9001 §6.6: forgeries that ChaCha20-Poly1305 bears, the least of ours: with more, the path's keys are given up. */
export const MAX_FORGERIES = 2 ** 36
const MAX_COUNTER = 2 ** 48 - 1

/** What was in a sealed packet. */
export interface OpenedPacket {
  readonly flow: number
  /** The receiver's to keep. */
  readonly bytes: Uint8Array
}

/** The token of a sealed packet, as a view; undefined when it can't be one. */
export function sealedToken(packet: Uint8Array): Uint8Array | undefined {
  if (packet[0] !== SEALED_PACKET || packet.length < SEALED_OVERHEAD) return undefined
  return packet.subarray(1, 1 + TOKEN_LENGTH)
}

/** Seals what one side of a path sends. */
export class PacketSealer {
  readonly token: Uint8Array
  readonly #secret: Uint8Array
  readonly #aead: DatagramAead
  #counter: number
  #key: EpochKey

  /** @param counter of the first packet, for tests */
  constructor(secret: Uint8Array, aead: DatagramAead, counter = 0) {
    this.token = datagramToken(secret)
    this.#secret = secret
    this.#aead = aead
    this.#counter = counter
    this.#key = epochKey(secret, aead, epochOf(counter))
  }

  /** The next packet; undefined when all counters are used up. */
  seal(flow: number, bytes: Uint8Array): Uint8Array | undefined {
    const counter = this.#counter
    if (counter > MAX_COUNTER) return undefined
    this.#counter++
    if (epochOf(counter) !== this.#key.epoch) {
      this.#key = epochKey(this.#secret, this.#aead, epochOf(counter))
    }
    const packet = new Uint8Array(SEALED_OVERHEAD + bytes.length)
    writeHeader(packet, this.token, counter)
    const cipher = cipherOf(this.#aead, this.#key, counter)
    cipher.setAAD(packet.subarray(0, HEADER_LENGTH), { plaintextLength: FLOW_LENGTH + bytes.length })
    packet.set(cipher.update(u32(flow)), HEADER_LENGTH)
    packet.set(cipher.update(bytes), HEADER_LENGTH + FLOW_LENGTH)
    cipher.final()
    packet.set(cipher.getAuthTag(), packet.length - TAG_LENGTH)
    return packet
  }
}

/** Opens what the other side of a path seals: each packet once. */
export class PacketOpener {
  readonly token: Uint8Array
  readonly #secret: Uint8Array
  readonly #aead: DatagramAead
  readonly #window = new ReplayWindow()
  /** Of the last two epochs: packets of the one before may be late. */
  #keys: readonly EpochKey[] = []
  #forgeries = 0

  constructor(secret: Uint8Array, aead: DatagramAead) {
    this.token = datagramToken(secret)
    this.#secret = secret
    this.#aead = aead
  }

  /** So many were forged that the keys must not be used any more. */
  get isWornOut(): boolean {
    return this.#forgeries >= MAX_FORGERIES
  }

  /** What is in it; undefined for a packet that the other side did not seal, that came before, or that is too old. */
  open(packet: Uint8Array): OpenedPacket | undefined {
    const token = sealedToken(packet)
    if (token === undefined || !sameBytes(token, this.token) || this.isWornOut) return undefined
    const counter = readCounter(packet)
    if (!this.#window.isNew(counter)) return undefined
    const epoch = epochOf(counter)
    const known = this.#keys.find((key) => key.epoch === epoch)
    const key = known ?? epochKey(this.#secret, this.#aead, epoch)
    const opened = decrypt(this.#aead, key, counter, packet)
    if (opened === undefined) {
      this.#forgeries++
      return undefined
    }
    if (known === undefined) this.#keys = [key, ...this.#keys.slice(0, 1)]
    this.#window.add(counter)
    const flow = new DataView(opened.buffer, opened.byteOffset).getUint32(0)
    return { flow, bytes: opened.subarray(FLOW_LENGTH) }
  }
}

function decrypt(
  aead: DatagramAead,
  key: EpochKey,
  counter: number,
  packet: Uint8Array,
): Uint8Array | undefined {
  const decipher = decipherOf(aead, key, counter)
  const end = packet.length - TAG_LENGTH
  decipher.setAAD(packet.subarray(0, HEADER_LENGTH), { plaintextLength: end - HEADER_LENGTH })
  decipher.setAuthTag(packet.subarray(end))
  const opened = decipher.update(packet.subarray(HEADER_LENGTH, end))
  try {
    decipher.final()
    return new Uint8Array(opened.buffer, opened.byteOffset, opened.byteLength)
  } catch {
    return undefined // forged, or damaged on the way
  }
}

/** Node's types know these by name, and not as a union. */
function cipherOf(aead: DatagramAead, { key, iv }: EpochKey, counter: number) {
  const nonce = nonceOf(iv, counter)
  return aead === 'chacha20-poly1305'
    ? createCipheriv(aead, key, nonce, { authTagLength: TAG_LENGTH })
    : createCipheriv(aead, key, nonce, { authTagLength: TAG_LENGTH })
}

function decipherOf(aead: DatagramAead, { key, iv }: EpochKey, counter: number) {
  const nonce = nonceOf(iv, counter)
  return aead === 'chacha20-poly1305'
    ? createDecipheriv(aead, key, nonce, { authTagLength: TAG_LENGTH })
    : createDecipheriv(aead, key, nonce, { authTagLength: TAG_LENGTH })
}

function nonceOf(iv: Uint8Array, counter: number): Uint8Array {
  const nonce = iv.slice()
  const view = new DataView(nonce.buffer)
  view.setUint32(NONCE_LENGTH - 4, view.getUint32(NONCE_LENGTH - 4) ^ (counter % 2 ** 32))
  view.setUint16(NONCE_LENGTH - 6, view.getUint16(NONCE_LENGTH - 6) ^ Math.floor(counter / 2 ** 32))
  return nonce
}

function epochOf(counter: number): number {
  return Math.floor(counter / EPOCH_PACKETS)
}

function writeHeader(packet: Uint8Array, token: Uint8Array, counter: number): void {
  const view = new DataView(packet.buffer)
  packet[0] = SEALED_PACKET
  packet.set(token, 1)
  view.setUint16(1 + TOKEN_LENGTH, Math.floor(counter / 2 ** 32))
  view.setUint32(3 + TOKEN_LENGTH, counter % 2 ** 32)
}

function readCounter(packet: Uint8Array): number {
  const view = new DataView(packet.buffer, packet.byteOffset)
  return view.getUint16(1 + TOKEN_LENGTH) * 2 ** 32 + view.getUint32(3 + TOKEN_LENGTH)
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}
