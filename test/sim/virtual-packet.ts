import type { VirtualEvent } from './virtual-event-heap.ts'
import type { Link } from './virtual-link.ts'

/** IPv4 header and UDP header without options. */
const IPV4_UDP_OVERHEAD = 20 + 8
const IPV6_UDP_OVERHEAD = 40 + 8

/** The part of a TCP header that the virtual TCP uses; the data are the packet's bytes. Sequence numbers count segments. */
export interface TcpSegment {
  readonly syn: boolean
  readonly ack: boolean
  readonly fin: boolean
  readonly rst: boolean
  readonly sequence: number
  readonly acknowledgement: number
}

/** Whom a too small MTU on the way is told to, as an ICMP "packet too big" would. */
export interface PathMtuListener {
  learnPathMtu(destinationIp: number, mtu: number): void
}

export interface PacketFields {
  readonly sourceIp: number
  readonly sourcePort: number
  readonly destinationIp: number
  readonly destinationPort: number
  readonly ttl: number
  readonly bytes: Uint8Array
  readonly segment: TcpSegment | undefined
  readonly sender: PathMtuListener
  readonly sentAtMs: number
  readonly isIpv6: boolean
}

/**
 * One datagram or segment under way. IPs are numbers of the world's IpTable. NAT boxes rewrite it in place; it is also
 * its own event in the calendar, since it is on one link at a time.
 *
 * Fields are only declared and then assigned: V8 defines emitted class fields one by one, which made packets four times
 * as dear.
 */
export class Packet implements VirtualEvent {
  declare readonly segment: TcpSegment | undefined
  declare readonly bytes: Uint8Array
  /** Who sent it, and what that host wrote as its destination. */
  declare readonly sender: PathMtuListener
  declare readonly addressedTo: number
  declare readonly sentAtMs: number
  declare readonly isIpv6: boolean
  declare sourceIp: number
  declare sourcePort: number
  declare destinationIp: number
  declare destinationPort: number
  declare ttl: number
  /** Size on the wire, headers included. */
  declare readonly size: number
  /** Size of its largest fragment; equal to `size` for a whole packet. */
  declare fragmentSize: number
  /** False when a router may cut it into fragments. */
  declare dontFragment: boolean
  /** The link that it is on. */
  declare link: Link | undefined

  constructor(fields: PacketFields, bytes: Uint8Array = fields.bytes) {
    this.sourceIp = fields.sourceIp
    this.sourcePort = fields.sourcePort
    this.destinationIp = fields.destinationIp
    this.destinationPort = fields.destinationPort
    this.ttl = fields.ttl
    this.bytes = bytes
    this.segment = fields.segment
    this.sender = fields.sender
    this.addressedTo = fields.destinationIp
    this.sentAtMs = fields.sentAtMs
    this.isIpv6 = fields.isIpv6
    this.size = packetSize(bytes.length, fields.isIpv6)
    this.fragmentSize = this.size
    this.dontFragment = true
    this.link = undefined
  }

  get isOver(): boolean {
    return false
  }

  /** Arrives at the end of its link. */
  run(): void {
    this.link?.arrive(this)
  }

  /** The same packet again, as a network that duplicates makes it. Its bytes are its own: receivers own what they get. */
  copy(): Packet {
    const copy = new Packet(this, Uint8Array.from(this.bytes))
    copy.fragmentSize = this.fragmentSize
    copy.dontFragment = this.dontFragment
    return copy
  }
}

/** Bytes on the wire of a UDP payload. TCP is counted alike: its segments fit every link, as if the MSS were clamped. */
export function packetSize(payloadLength: number, isIpv6: boolean): number {
  return payloadLength + (isIpv6 ? IPV6_UDP_OVERHEAD : IPV4_UDP_OVERHEAD)
}
