import { ipToBytes } from '../../../lib/base/transport-address.ts'

/** A router's own address and the length of the prefix it serves: `192.168.1.1/24` means that to its LAN. */
export interface InterfacePrefix {
  readonly ip: string
  readonly bits: number
}

/** Reads `ADDRESS/BITS`. @throws {ReachError} ERR_REACH_ADDRESS; {RangeError} when the length is not one */
export function parsePrefix(text: string): InterfacePrefix {
  const [ip = '', length = ''] = text.split('/')
  const bits = Number(length)
  if (!/^[0-9]{1,3}$/.test(length) || bits > ipToBytes(ip).length * 8)
    throw new RangeError(`${text} is not ADDRESS/BITS`)
  return { ip, bits }
}

/** True when the IP is of the prefix's family and equal to it in its first bits. */
export function prefixContains(prefix: InterfacePrefix, ip: string): boolean {
  const [a, b] = [ipToBytes(prefix.ip), ipToBytes(ip)]
  if (a.length !== b.length) return false
  const whole = Math.floor(prefix.bits / 8)
  const mask = 0xff00 >> (prefix.bits % 8)
  return (
    a.subarray(0, whole).every((byte, index) => byte === b[index]) &&
    ((a[whole] ?? 0) & mask & 0xff) === ((b[whole] ?? 0) & mask & 0xff)
  )
}

/** The prefix that an address belongs to. @throws {RangeError} when there is none: a mistake in the lab's plan */
export function prefixOf(prefixes: readonly InterfacePrefix[], ip: string): InterfacePrefix {
  const found = prefixes.find((prefix) => prefixContains(prefix, ip))
  if (found !== undefined) return found
  const known = prefixes.map(({ ip: own, bits }) => `${own}/${bits}`).join(', ')
  throw new RangeError(`${ip} is in no prefix of this router: ${known}`)
}

export function isIpv6(ip: string): boolean {
  return ip.includes(':')
}
