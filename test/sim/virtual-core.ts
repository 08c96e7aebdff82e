import type { AddressFamily } from '../../lib/base/transport-address.ts'
import { CORE_IPV4, PublicAddressPlan } from './virtual-address-plan.ts'
import { ForwardingNode } from './virtual-node.ts'
import type { AssignedIp, TraceHop } from './virtual-node.ts'
import type { Packet } from './virtual-packet.ts'

const CORE_IPV6 = '2001:db8::1'

/** The public internet, as one router that everything hangs on. */
export class VirtualCore extends ForwardingNode {
  readonly #plan = new PublicAddressPlan()
  readonly blocksTraces = false

  translates(): boolean {
    return false
  }

  assignIp(family: AddressFamily, wanted?: string): AssignedIp {
    return this.#plan.assign(family, wanted)
  }

  insideIp(family: AddressFamily): string {
    return family === 'ipv4' ? CORE_IPV4 : CORE_IPV6
  }

  ownsOutside(): boolean {
    return false
  }

  traceHop(family: AddressFamily): TraceHop {
    return { ip: this.insideIp(family) }
  }

  fromInside(packet: Packet): void {
    if (this.passesTtl(packet)) this.sendDown(packet)
  }

  fromOutside(packet: Packet): void {
    this.drop(packet, 'no-route')
  }
}
