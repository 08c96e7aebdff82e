import { bytesToIp, canonicalIp, ipToBytes } from '../../lib/base/transport-address.ts'
import type { AddressFamily, TransportAddress } from '../../lib/base/transport-address.ts'

/** How many ports an IP has; also the factor of {@link endpointKey}. */
const PORTS = 0x1_0000

/**
 * The number of an IP and a port together. With fewer than 32,768 addresses it is a small integer for V8, which makes
 * it a cheap key for maps.
 */
export function endpointKey(ipNumber: number, port: number): number {
  return ipNumber * PORTS + port
}

interface IpEntry {
  readonly ip: string
  readonly family: AddressFamily
  /** Parsed when first asked for. */
  bytes: Uint8Array | undefined
}

/** Gives each IP of a world a small number, so that hot paths compare numbers instead of text. 0 is no address. */
export class IpTable {
  readonly #numbers = new Map<string, number>()
  readonly #entries: IpEntry[] = [{ ip: '', family: 'ipv4', bytes: undefined }]

  /** The number of a canonical IP; other spellings are told apart, so make them canonical first. */
  numberOf(ip: string): number {
    return this.#numbers.get(ip) ?? this.#add(ip)
  }

  /** The number of an IP in any spelling. @throws {ReachError} ERR_REACH_ADDRESS */
  numberOfAny(ip: string): number {
    return this.numberOf(canonicalIp(ip))
  }

  ip(ipNumber: number): string {
    return this.#entry(ipNumber).ip
  }

  family(ipNumber: number): AddressFamily {
    return this.#entry(ipNumber).family
  }

  /** The 4 or 16 bytes, which nobody may write to. */
  bytes(ipNumber: number): Uint8Array {
    const entry = this.#entry(ipNumber)
    return (entry.bytes ??= ipToBytes(entry.ip.split('%')[0] ?? entry.ip))
  }

  address(ipNumber: number, port: number, transport: 'udp' | 'tcp'): TransportAddress {
    const { ip, family } = this.#entry(ipNumber)
    return { family, ip, port, transport }
  }

  #add(ip: string): number {
    const number = this.#entries.length
    this.#entries.push({ ip, family: ip.includes(':') ? 'ipv6' : 'ipv4', bytes: undefined })
    this.#numbers.set(ip, number)
    return number
  }

  #entry(ipNumber: number): IpEntry {
    const entry = this.#entries[ipNumber]
    if (entry === undefined) throw new RangeError(`no IP has the number ${ipNumber}`)
    return entry
  }
}

/** A network prefix such as `192.168.1.0/24`. */
export class Prefix {
  readonly length: number
  readonly #network: Uint8Array

  /** The network that an address with a prefix length is in; its bytes must not change. */
  constructor(address: Uint8Array, length: number) {
    if (!(length >= 0 && length <= address.length * 8)) throw new RangeError(`/${length} is no prefix length`)
    this.#network = address
    this.length = length
  }

  /** @throws {RangeError} when `text` is not IP/LENGTH */
  static parse(text: string): Prefix {
    const [ip = '', length = ''] = text.split('/')
    if (length === '') throw new RangeError(`${text} is not a prefix`)
    return new Prefix(ipToBytes(ip), Number(length))
  }

  contains(bytes: Uint8Array): boolean {
    if (bytes.length !== this.#network.length) return false
    for (let bit = 0; bit < this.length; bit += 8) {
      const mask = this.length - bit >= 8 ? 0xff : (0xff << (8 - (this.length - bit))) & 0xff
      if (((bytes[bit / 8] ?? 0) & mask) !== ((this.#network[bit / 8] ?? 0) & mask)) return false
    }
    return true
  }

  /** The address this many after the prefix as it was written, as text. @throws {RangeError} when it lies outside */
  host(index: number): string {
    const bytes = Uint8Array.from(this.#network)
    let carry = index
    for (let i = bytes.length - 1; i >= 0 && carry > 0; i--) {
      carry += bytes[i] ?? 0
      bytes[i] = carry % 0x100
      carry = Math.floor(carry / 0x100)
    }
    if (carry > 0 || !this.contains(bytes)) throw new RangeError(`the prefix has no host ${index}`)
    return bytesToIp(bytes)
  }
}
