import { createSocket } from 'node:dgram'
import type { AddressFamily } from '../../../../lib/base/transport-address.ts'

export interface LoopbackFamily {
  readonly family: AddressFamily
  readonly ip: string
  /** Why tests of this family can't run here; undefined when they can. */
  readonly skipReason: string | undefined
}

/** Both families on loopback; IPv6 only where this machine has ::1. */
export async function loopbackFamilies(): Promise<readonly LoopbackFamily[]> {
  const hasIpv6 = await canBind6()
  return [
    { family: 'ipv4', ip: '127.0.0.1', skipReason: undefined },
    { family: 'ipv6', ip: '::1', skipReason: hasIpv6 ? undefined : 'this machine has no ::1' },
  ]
}

function canBind6(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp6')
    const settle = (can: boolean) => socket.close(() => resolve(can))
    socket.once('error', () => settle(false))
    socket.bind(0, '::1', () => settle(true))
  })
}
