import { createSocket } from 'node:dgram'
import type { TransportAddress } from '../base/transport-address.ts'
import { canonicalIp, isIp } from '../base/transport-address.ts'

/** RFC 863 "discard": for a destination without a port; nothing is ever sent to it. */
const ANY_PORT = 9

/**
 * The source IP that the system would use towards an address; undefined when it has no route. Connecting a UDP socket
 * sends nothing: the system only looks up the route and binds the socket's end.
 */
export function sourceIpTowards(to: TransportAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const version = to.family === 'ipv4' ? 4 : 6
    const socket = createSocket({
      type: to.family === 'ipv4' ? 'udp4' : 'udp6',
      ipv6Only: to.family === 'ipv6',
      lookup: (ip, _options, callback) => callback(null, ip, version),
    })
    const settle = (ip: string | undefined) => {
      socket.removeAllListeners()
      socket.close()
      resolve(ip)
    }
    // ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT, …: whatever its name, this host can't send there.
    socket.once('error', () => settle(undefined))
    socket.once('connect', () => {
      const { address } = socket.address()
      settle(isIp(address) ? canonicalIp(address) : undefined)
    })
    socket.connect(to.port === 0 ? ANY_PORT : to.port, to.ip)
  })
}
