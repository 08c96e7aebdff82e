import type {
  EgressTransport,
  EndpointDependence,
  PortAllocation,
  PortAllocationDetail,
} from '../../lib/index.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import type { Wording } from './fact-line.ts'

/** Mapping in RFC 4787's word and in everyone's. */
export function mappingWords(value: EndpointDependence): Wording {
  switch (value) {
    case 'none':
      return { value: 'none', meaning: 'addresses and ports are not translated', tone: 'good' }
    case 'endpoint-independent':
      return { value, meaning: 'one public port for every destination', tone: 'good' }
    case 'address-dependent':
      return { value, meaning: 'another public port for each destination address', tone: 'bad' }
    case 'address-and-port-dependent':
      return { value, meaning: 'another public port for each destination (“symmetric”)', tone: 'bad' }
    default:
      return unreachable(value)
  }
}

/** Filtering in RFC 4787's word and in everyone's. */
export function filteringWords(value: EndpointDependence): Wording {
  switch (value) {
    case 'none':
      return { value: 'none', meaning: 'anybody can send packets to this host', tone: 'good' }
    case 'endpoint-independent':
      return { value, meaning: 'anybody can answer to an open port (“full cone”)', tone: 'good' }
    case 'address-dependent':
      return { value, meaning: 'only addresses that were sent to can answer', tone: 'plain' }
    case 'address-and-port-dependent':
      return { value, meaning: 'only the exact address and port sent to can answer', tone: 'plain' }
    default:
      return unreachable(value)
  }
}

/** How the public port is chosen, with the range or step where known. */
export function allocationWords(value: PortAllocation, detail: PortAllocationDetail): Wording {
  switch (value) {
    case 'preserving':
      return { value, meaning: 'the public port is the local port', tone: 'good' }
    case 'sequential': {
      const step = detail.step ?? 1
      const direction = step < 0 ? 'below' : 'above'
      const meaning = `each new port is ${Math.abs(step)} ${direction} the last, so the next can be guessed`
      return { value, meaning, tone: 'plain' }
    }
    case 'random':
      return { value, meaning: `no pattern${rangeWords(detail)}`, tone: 'bad' }
    case 'block':
      return { value, meaning: `no pattern, but from a small block${rangeWords(detail)}`, tone: 'plain' }
    default:
      return unreachable(value)
  }
}

function rangeWords({ min, max }: PortAllocationDetail): string {
  return min === undefined || max === undefined ? '' : `, seen from ${min} to ${max}`
}

/** Where the outermost filter stands, by its hop. */
export function boundaryWords(hop: number): string {
  if (hop <= 0) return 'on this host'
  return hop === 1 ? 'at the first router' : `${hop} hops away, behind the first router`
}

const TRANSPORT_NAMES: Readonly<Record<EgressTransport, string>> = {
  'udp-stun': 'UDP',
  tcp: 'TCP',
  tls: 'TLS',
  websocket: 'WebSocket',
  'connect-proxy': 'HTTP proxy',
  socks5: 'SOCKS proxy',
  ssh: 'SSH',
}

/** What people call a transport. */
export function transportName(transport: EgressTransport): string {
  return TRANSPORT_NAMES[transport]
}
