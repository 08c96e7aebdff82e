import type { UdpPacket } from '../../lib/base/runtime.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import type { StunAttribute } from '../../lib/protocol/stun/attributes.ts'
import { decodeStun, encodeStun, findAttribute } from '../../lib/protocol/stun/message.ts'
import { StunServer } from '../../lib/protocol/stun/server.ts'
import type { StunServerAddresses } from '../../lib/protocol/stun/server.ts'
import type { HostOptions, VirtualHost } from './virtual-host.ts'
import type { VirtualUdpSocket } from './virtual-udp-socket.ts'

/** IANA's port for STUN, and the one that RFC 3489 gave the second. */
const DEFAULT_PORT = 3478
const DEFAULT_ALTERNATE_PORT = 3479

/** A corner of RFC 5780's grid of two IPs and two ports. */
export type StunCorner = 'primary' | 'alternate-port' | 'alternate-ip' | 'alternate-both'

/** How a STUN server behaves, and the host it runs on. */
export interface StunServerOptions {
  readonly name?: string
  readonly host?: Omit<HostOptions, 'name'>
  readonly port?: number
  /** False: one port, so no tests of RFC 5780. @default 3479 */
  readonly alternatePort?: number | false
  /** False: it does not use a second IP of its host. @default true */
  readonly usesAlternateIp?: boolean
  /** How long an answer takes. @default 0 */
  readonly answerDelayMs?: number
  /** Where nobody answers, although the server names it. @default [] */
  readonly deadCorners?: readonly StunCorner[]
  /** What it says instead of the address that it saw. */
  readonly lies?: (seen: TransportAddress) => TransportAddress
  /** `rfc3489`: MAPPED-ADDRESS, SOURCE-ADDRESS and CHANGED-ADDRESS, whatever was asked. @default 'rfc8489' */
  readonly dialect?: 'rfc8489' | 'rfc3489'
}

/** The library's own STUN server on a virtual host, honest or not. */
export class VirtualStunServer {
  readonly host: VirtualHost
  /** What clients are told: one for each family that the host has. */
  readonly addresses: readonly TransportAddress[]
  readonly #server: StunServer
  readonly #corners: readonly Corner[]
  #options: StunServerOptions
  #isDead = false

  constructor(host: VirtualHost, options: StunServerOptions = {}) {
    this.host = host
    this.#options = options
    const grids = gridsOf(host, options)
    this.#server = new StunServer({ addresses: grids })
    this.#corners = this.#server.endpoints.map(({ local, index }) => {
      const socket = host.openUdp({ family: local.family, ip: local.ip, port: local.port })
      socket.wakesPromises = false
      socket.onPacket = (packet) => this.#receive(packet, index)
      return { name: cornerOf(local, grids), address: local, socket }
    })
    this.addresses = this.#corners.filter(({ name }) => name === 'primary').map(({ address }) => address)
  }

  /** Its IPv4 address, or the only one that it has. */
  get address(): TransportAddress {
    return this.corner('primary')
  }

  /** The address of a corner of its grid. @throws {RangeError} when it has none */
  corner(name: StunCorner): TransportAddress {
    const corner = this.#corners.find((each) => each.name === name)
    if (corner === undefined) throw new RangeError(`${this.host.name} has no ${name} address`)
    return corner.address
  }

  /** Requests that it has understood. */
  get requestCount(): number {
    return this.#server.counters('udp').requests
  }

  /** Behaves otherwise from now on. */
  configure(changes: Pick<StunServerOptions, 'answerDelayMs' | 'deadCorners' | 'lies' | 'dialect'>): void {
    this.#options = { ...this.#options, ...changes }
  }

  /** Falls silent, as a host that drops what nobody listens to. */
  die(): void {
    this.#isDead = true
  }

  revive(): void {
    this.#isDead = false
  }

  #receive({ bytes, from }: UdpPacket, index: number): void {
    if (this.#isSilent(index)) return
    const { clock } = this.host.world
    const reply = this.#server.handleUdp(bytes, from.ip, from.port, index, clock.nowMs())
    if (reply === undefined || this.#isSilent(reply.endpointIndex)) return
    const to = { ...from, port: reply.toPort }
    const answer = this.#disguise(reply.bytes)
    const run = () => this.#corners[reply.endpointIndex]?.socket.send(answer, to)
    const { answerDelayMs = 0 } = this.#options
    if (answerDelayMs > 0) clock.schedule(clock.nowMs() + answerDelayMs, { isOver: false, run })
    else run()
  }

  #isSilent(index: number): boolean {
    const name = this.#corners[index]?.name
    return this.#isDead || name === undefined || this.#options.deadCorners?.includes(name) === true
  }

  /** The answer as a liar or a server of RFC 3489 would give it. */
  #disguise(bytes: Uint8Array): Uint8Array {
    const { lies, dialect = 'rfc8489' } = this.#options
    if (lies === undefined && dialect === 'rfc8489') return bytes
    const message = decodeStun(bytes)
    if (message.class !== 'success') return bytes
    const attributes = message.attributes.flatMap((attribute) => inDialect(lied(attribute, lies), dialect))
    const fingerprint = findAttribute(message, 'fingerprint') !== undefined
    return encodeStun({ ...message, attributes }, { fingerprint: fingerprint && dialect === 'rfc8489' })
  }
}

interface Corner {
  readonly name: StunCorner
  readonly address: TransportAddress
  readonly socket: VirtualUdpSocket
}

function gridsOf(host: VirtualHost, options: StunServerOptions): StunServerAddresses[] {
  const { port = DEFAULT_PORT, alternatePort = DEFAULT_ALTERNATE_PORT, usesAlternateIp = true } = options
  const families = [host.ips.filter((ip) => !ip.includes(':')), host.ips.filter((ip) => ip.includes(':'))]
  return families.flatMap(([ip, alternateIp]) => {
    if (ip === undefined) return []
    if (alternatePort === false) return [{ ip, port }]
    return [{ ip, port, alternatePort, ...(usesAlternateIp && alternateIp !== undefined && { alternateIp }) }]
  })
}

function cornerOf(address: TransportAddress, grids: readonly StunServerAddresses[]): StunCorner {
  const isOtherIp = grids.some((grid) => grid.alternateIp === address.ip)
  const isOtherPort = grids.some((grid) => grid.alternatePort === address.port)
  if (isOtherIp) return isOtherPort ? 'alternate-both' : 'alternate-ip'
  return isOtherPort ? 'alternate-port' : 'primary'
}

function lied(attribute: StunAttribute, lies: StunServerOptions['lies']): StunAttribute {
  if (lies === undefined) return attribute
  if (attribute.type !== 'xor-mapped-address' && attribute.type !== 'mapped-address') return attribute
  return { ...attribute, address: lies(attribute.address) }
}

function inDialect(attribute: StunAttribute, dialect: 'rfc8489' | 'rfc3489'): StunAttribute[] {
  if (dialect === 'rfc8489') return attribute.type === 'fingerprint' ? [] : [attribute]
  const { type } = attribute
  if (type === 'xor-mapped-address') return [{ type: 'mapped-address', address: attribute.address }]
  if (type === 'response-origin') return [{ type: 'source-address', address: attribute.address }]
  if (type === 'other-address') return [{ type: 'changed-address', address: attribute.address }]
  return []
}
