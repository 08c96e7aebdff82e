import type { UdpPacket } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import type { DirectPort } from '../../punch/direct-port.ts'
import type { PunchedHole } from '../../punch/punched-hole.ts'
import type { DatagramCarrier } from '../../session/datagram-carrier.ts'

/** What an Ethernet frame leaves for a UDP payload (RFC 894; RFC 791 and RFC 8200 for the headers); less is found out. */
const MAX_LENGTHS = { ipv4: 1472, ipv6: 1452 } as const

/** Packets beside the streams of a port that all peers share. */
export function portCarrier(port: DirectPort, remote: TransportAddress): DatagramCarrier {
  const listening = port.handleRemote(remote, (packet) => carrier.onPacket?.(packet.bytes))
  const carrier: DatagramCarrier = {
    maxLength: MAX_LENGTHS[remote.family],
    send: (packet) => port.socket.send(packet, remote),
    onPacket: undefined,
    close: () => listening[Symbol.dispose](),
  }
  return carrier
}

/** Packets beside the stream of a punched hole. From whatever port they come: only the peer's seals fit. */
export function holeCarrier(hole: PunchedHole): DatagramCarrier {
  const onPacket = ({ bytes }: UdpPacket) => carrier.onPacket?.(bytes)
  const carrier: DatagramCarrier = {
    maxLength: MAX_LENGTHS[hole.remote.family],
    send: (packet) => hole.socket.send(packet, hole.remote),
    onPacket: undefined,
    close: () => {
      if (hole.onPacket === onPacket) hole.onPacket = undefined
    },
  }
  hole.onPacket = onPacket
  return carrier
}
