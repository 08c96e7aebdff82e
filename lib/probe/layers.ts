import type { Fact } from '../base/fact.ts'
import { inferred, measured, unknown } from '../base/fact.ts'
import { ipScope } from '../base/ip-range.ts'
import type { Hop } from '../base/runtime.ts'

export interface LayerEvidence {
  /** This host's address towards the internet. */
  readonly localIp: string | undefined
  /** How a server sees this host. */
  readonly publicIp: string | undefined
  /** The public sides that gateways report of themselves (NAT-PMP, UPnP). */
  readonly gatewayExternalIps: readonly string[]
  /** The routers on the way, where they answered. */
  readonly hops: readonly Hop[]
  /** The outermost filter's hop, from NatBoundaryProbe. */
  readonly boundaryHop: Fact<number>
}

export interface LayerFacts {
  readonly layers: Fact<'0' | '1' | '2+'>
  readonly cgn: Fact<boolean>
}

/**
 * Counts NATs and tells a carrier's from one's own. A gateway's public side that is not public is proof; router
 * addresses and the distance of the outermost filter are signs. Where signs are missing the count stays unknown: a
 * carrier NAT that filters nothing cannot be seen from inside.
 */
export function inferLayers(evidence: LayerEvidence): LayerFacts {
  const { localIp, publicIp } = evidence
  if (localIp === undefined || publicIp === undefined) {
    const none = 'the public address is not known'
    return { layers: unknown(none), cgn: unknown(none) }
  }
  if (localIp === publicIp) {
    const why = `${localIp} is this host's own address and the one that servers see`
    return { layers: measured('0', why), cgn: measured(false, why) }
  }
  return (
    fromGateway(evidence, publicIp) ??
    fromOwnAddress(localIp) ??
    fromHops(evidence, publicIp) ??
    undecided(evidence)
  )
}

/** The gateway's own word about its public side is the best evidence there is. */
function fromGateway({ gatewayExternalIps }: LayerEvidence, publicIp: string): LayerFacts | undefined {
  for (const ip of gatewayExternalIps) {
    if (ip === publicIp) {
      const why = `the gateway's public side is ${ip}, as servers see us`
      return { layers: measured('1', why), cgn: measured(false, why) }
    }
    const why = `the gateway's public side is ${ip}, but servers see ${publicIp}`
    const scope = ipScope(ip)
    if (scope === 'shared') {
      return {
        layers: measured('2+', why),
        cgn: measured(true, `${why}; 100.64.0.0/10 is for carriers (RFC 6598)`),
      }
    }
    if (scope === 'private') {
      return {
        layers: measured('2+', why),
        cgn: unknown(`${why}: a second router, or a carrier with private addresses`),
      }
    }
    if (scope === 'global') return { layers: inferred('2+', why), cgn: unknown(why) }
    // 0.0.0.0 and the like: the gateway does not know.
  }
  return undefined
}

function fromOwnAddress(localIp: string): LayerFacts | undefined {
  if (ipScope(localIp) !== 'shared') return undefined
  const why = `this host's own address ${localIp} is in the carrier range 100.64.0.0/10 (RFC 6598)`
  return { layers: inferred('1', why), cgn: measured(true, why) }
}

function fromHops({ hops, boundaryHop }: LayerEvidence, publicIp: string): LayerFacts | undefined {
  const routers = hops.filter((hop) => !hop.reached)
  const carrier = routers.find((hop) => hop.ip !== undefined && ipScope(hop.ip) === 'shared')
  if (carrier?.ip !== undefined) {
    const why = `router ${carrier.ttl} on the way is ${carrier.ip}, in the carrier range 100.64.0.0/10`
    return { layers: inferred('2+', why), cgn: inferred(true, why) }
  }
  const boundary = boundaryHop.value
  if (boundary !== 'unknown' && boundary >= 2) {
    const why = `the outermost filter is ${boundary} hops away, behind the first router`
    return {
      layers: inferred('2+', why),
      cgn: unknown(`${why}: the carrier's, or a second router of one's own`),
    }
  }
  // A NAT beyond a router with a public address would be very odd.
  const second = hops.find((hop) => hop.ttl === 2)
  const beyondIsPublic =
    second?.reached === true || (second?.ip !== undefined && ipScope(second.ip) === 'global')
  const first = hops.find((hop) => hop.ttl === 1)
  if (beyondIsPublic && first?.ip !== publicIp) {
    const why = `the second hop on the way, ${second.ip ?? 'the server'}, is public`
    return { layers: inferred('1', why), cgn: inferred(false, why) }
  }
  return undefined
}

function undecided({ boundaryHop, hops }: LayerEvidence): LayerFacts {
  const heard = hops.filter((hop) => hop.ip !== undefined).map((hop) => `${hop.ttl}: ${hop.ip ?? ''}`)
  const why = [
    'there is a NAT, but nothing tells how many: the gateway does not report its public side',
    ...(heard.length > 0
      ? [`routers that answered: ${heard.join(', ')}`]
      : ['no router on the way answered']),
    ...boundaryHop.evidence,
  ]
  return { layers: unknown(...why), cgn: unknown(...why) }
}
