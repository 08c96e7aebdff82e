/** The addresses of one site. */
export interface SitePlan {
  /** The outside address of its outermost router, or of the host itself. */
  readonly publicIps: readonly string[]
  /** Of the host behind a firewall that does not translate. */
  readonly routedIp: string
  readonly lan: string
  readonly hostIp: string
  readonly wanIpv6: string
  readonly lanIpv6: string
  readonly hostIpv6: string
  readonly prefixIpv6: string
}

/** Ours: sites are spaced by ten addresses, from .50 on, turn about in two prefixes. */
export const MAX_SITES = 40

/** Inside of a carrier's NAT (RFC 6598), and a home's address there. */
export const CARRIER_LAN = '100.64.0.1/10'
export const CARRIER_SUBSCRIBER_IP = '100.64.0.50'

/**
 * @param number from 1 to {@link MAX_SITES}; site 1 is seen as 203.0.113.50, site 2 as 198.51.100.50
 * @param lanNumber n of the home's 192.168.n.0/24
 * @param poolSize how many public addresses, at most 9
 * @throws {RangeError}
 */
export function sitePlan(number: number, lanNumber: number, poolSize: number): SitePlan {
  if (!Number.isInteger(number) || number < 1 || number > MAX_SITES)
    throw new RangeError(`no site has the number ${number}`)
  const block = number % 2 === 1 ? '203.0.113' : '198.51.100'
  const first = 50 + 10 * Math.floor((number - 1) / 2)
  const siteHex = (9 + number).toString(16) // site 1 is 2001:db8:a::/64
  return {
    publicIps: Array.from({ length: poolSize }, (_, index) => `${block}.${first + index}`),
    routedIp: `${block}.${first + 9}`,
    lan: `192.168.${lanNumber}.1/24`,
    hostIp: `192.168.${lanNumber}.10`,
    wanIpv6: `2001:db8:0:1::${first}${number % 2}`,
    lanIpv6: `2001:db8:${siteHex}::1/64`,
    hostIpv6: `2001:db8:${siteHex}::10`,
    prefixIpv6: `2001:db8:${siteHex}::/64`,
  }
}
