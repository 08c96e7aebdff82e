import { Packet } from './virtual-packet.ts'
import type { World } from './virtual-world.ts'

const DEFAULT_TTL = 64
const NO_DATA = new Uint8Array()

/** Answers a TCP segment with a reset that seems to come from where it was going, unless it is a reset itself. */
export function refuseTcp(world: World, refused: Packet, send: (reset: Packet) => void): void {
  if (refused.segment === undefined || refused.segment.rst) return
  const nobody = { learnPathMtu: () => undefined }
  send(
    new Packet({
      sourceIp: refused.destinationIp,
      sourcePort: refused.destinationPort,
      destinationIp: refused.sourceIp,
      destinationPort: refused.sourcePort,
      ttl: DEFAULT_TTL,
      bytes: NO_DATA,
      segment: { syn: false, ack: true, fin: false, rst: true, sequence: 0, acknowledgement: 0 },
      sender: nobody,
      sentAtMs: world.clock.nowMs(),
      isIpv6: refused.isIpv6,
    }),
  )
}
