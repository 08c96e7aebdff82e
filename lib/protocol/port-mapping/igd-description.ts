import type { GatewayUrl } from './gateway-url.ts'
import { parseGatewayUrl } from './gateway-url.ts'
import { childText, findElement, parseXml } from './xml.ts'
import type { XmlElement } from './xml.ts'

/** Ours: a router with several uplinks has a handful. */
const MAX_SERVICES = 16

/** What a service of a gateway does for us. */
export type IgdServiceKind = 'wan-ip' | 'wan-ppp' | 'ipv6-firewall'

/** A service that opens ports, and where it is asked to. */
export interface IgdService {
  readonly kind: IgdServiceKind
  /** As the device writes it; requests repeat it letter by letter. */
  readonly serviceType: string
  /** WANIPConnection:2 has AddAnyPortMapping. */
  readonly version: number
  readonly control: GatewayUrl
}

/** What we read of a device's description (UPnP Device Architecture 1.1 §2.3). */
export interface IgdDescription {
  /** Untrusted text, for people. */
  readonly name: string | undefined
  /** Untrusted text, for people. */
  readonly model: string | undefined
  /** `uuid:…` in lower case; empty when it has none. */
  readonly udn: string
  /** In the document's order. */
  readonly services: readonly IgdService[]
}

const SERVICE_TYPE =
  /^urn:[^:]+:service:(WANIPConnection|WANPPPConnection|WANIPv6FirewallControl):(\d{1,3})$/i

const KINDS: Readonly<Record<string, IgdServiceKind>> = {
  wanipconnection: 'wan-ip',
  wanpppconnection: 'wan-ppp',
  wanipv6firewallcontrol: 'ipv6-firewall',
}

/**
 * Reads a device description. Services that we can't use, or whose control URL leads to another host than the one that
 * answered, are left out.
 * @param location where the description was
 * @throws {ReachError} ERR_REACH_DECODE for what is no description
 */
export function parseIgdDescription(bytes: Uint8Array, location: GatewayUrl): IgdDescription {
  const root = parseXml(bytes)
  const device = findElement(root, 'device') ?? root
  const base = baseOf(root, location)
  const services: IgdService[] = []
  for (const element of elementsNamed(root, 'service')) {
    const service = toService(element, base)
    if (service !== undefined && services.length < MAX_SERVICES) services.push(service)
  }
  return {
    name: childText(device, 'friendlyname'),
    model: childText(device, 'modelname'),
    udn: (childText(device, 'udn') ?? '').toLowerCase(),
    services,
  }
}

/** URLBase (UPnP 1.0; 1.1 deprecates it): what control URLs are relative to, unless it leads elsewhere or is none. */
function baseOf(root: XmlElement, location: GatewayUrl): GatewayUrl {
  const text = childText(root, 'urlbase')
  if (text === undefined || text === '') return location
  try {
    return parseGatewayUrl(text, location.address.ip)
  } catch {
    return location // relative to the description is what version 1.1 says
  }
}

function toService(element: XmlElement, base: GatewayUrl): IgdService | undefined {
  const serviceType = childText(element, 'servicetype') ?? ''
  const [, name = '', version = ''] = SERVICE_TYPE.exec(serviceType) ?? []
  const kind = KINDS[name.toLowerCase()]
  const controlUrl = childText(element, 'controlurl') ?? ''
  if (kind === undefined || controlUrl === '') return undefined
  try {
    const control = parseGatewayUrl(controlUrl, base.address.ip, base)
    return { kind, serviceType, version: Number(version), control }
  } catch {
    return undefined // on another host, or no URL: others may be better
  }
}

function* elementsNamed(element: XmlElement, name: string): Generator<XmlElement> {
  if (element.name === name) yield element
  for (const child of element.children) yield* elementsNamed(child, name)
}
