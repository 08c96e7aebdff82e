import type { IpTable } from './virtual-ip-table.ts'
import type { Packet } from './virtual-packet.ts'

/** What an administrator forbids, whatever the state of connections. Everything is allowed unless told. */
export interface PacketRules {
  readonly udp?: 'allow' | 'block'
  readonly tcp?: 'allow' | 'block'
  /** `block`: who traces learns nothing of what lies beyond. */
  readonly icmp?: 'allow' | 'block'
  /** The only destination ports that the inside may use. */
  readonly udpPorts?: readonly number[]
  readonly tcpPorts?: readonly number[]
  /** The only destinations that the inside may use. */
  readonly destinations?: readonly string[]
  /** Larger packets vanish. In bytes, headers included. */
  readonly maxPacketSize?: number
  /** How a forbidden TCP connection is refused: with a reset, or by silence. @default 'drop' */
  readonly rejectTcp?: 'drop' | 'reset'
}

/** {@link PacketRules}, ready to be applied. */
export class RuleSet {
  readonly blocksTraces: boolean
  readonly rejectsTcp: boolean
  readonly #rules: PacketRules
  readonly #destinations: ReadonlySet<number> | undefined
  readonly #isEmpty: boolean

  constructor(ips: IpTable, rules: PacketRules = {}) {
    this.#rules = rules
    this.#destinations = rules.destinations && new Set(rules.destinations.map((ip) => ips.numberOfAny(ip)))
    this.#isEmpty = Object.keys(rules).length === 0
    this.blocksTraces = rules.icmp === 'block'
    this.rejectsTcp = rules.rejectTcp === 'reset'
  }

  allowsOut(packet: Packet): boolean {
    if (this.#isEmpty) return true
    if (!this.allowsIn(packet)) return false
    if (this.#destinations?.has(packet.destinationIp) === false) return false
    const ports = packet.segment === undefined ? this.#rules.udpPorts : this.#rules.tcpPorts
    return ports === undefined || ports.includes(packet.destinationPort)
  }

  allowsIn(packet: Packet): boolean {
    if (this.#isEmpty) return true
    const { udp, tcp, maxPacketSize = Infinity } = this.#rules
    if (packet.size > maxPacketSize) return false
    return (packet.segment === undefined ? udp : tcp) !== 'block'
  }
}
