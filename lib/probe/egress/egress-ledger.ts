import type { Fact } from '../../base/fact.ts'
import { unknown } from '../../base/fact.ts'
import type { RelayUrl } from '../../base/relay-url.ts'
import type { AddressFamily } from '../../base/transport-address.ts'
import type { EgressFact, EgressTransport, PerFamily, ProxyFact } from '../report.ts'
import type { DateSample } from './clock-skew.ts'
import type { EgressFinding } from './egress-finding.ts'
import type { RelayInfo } from './relay-info.ts'
import type { TcpMapping } from './stun-over-tcp.ts'

/** Everything that was found out about the ways to one relay. */
export interface RelayEgress {
  readonly relay: RelayUrl
  /** In the order in which they became known. TCP once for each family that the relay has addresses of. */
  readonly facts: readonly EgressFact[]
  readonly tcp: PerFamily<Fact<boolean>>
  /** The fastest TCP connection; undefined when there was none. */
  readonly latencyMs: number | undefined
  /** Undefined for servers that are no relays, and for whoever intercepts TLS. */
  readonly info: RelayInfo | undefined
  /** The relay's clock, when it showed it. */
  readonly date: DateSample | undefined
  readonly proxy: ProxyFact
  /** This host's public addresses over TCP, as the relay sees them. */
  readonly overTcp: readonly TcpMapping[]
}

/** Writes down what the steps of one probe find, in whatever order, and passes each way on as soon as it is known. */
export class EgressLedger {
  readonly #relay: RelayUrl
  readonly #onFact: ((fact: EgressFact) => void) | undefined
  readonly #facts: EgressFact[] = []
  readonly #tcp = new Map<AddressFamily, Fact<boolean>>()
  readonly #overTcp: TcpMapping[] = []
  info: RelayInfo | undefined
  date: DateSample | undefined
  proxy: ProxyFact | undefined

  constructor(relay: RelayUrl, onFact: ((fact: EgressFact) => void) | undefined) {
    this.#relay = relay
    this.#onFact = onFact
  }

  add(transport: EgressTransport, finding: EgressFinding): void {
    const fact = { relay: this.#relay.text, transport, port: this.#relay.port, ...finding }
    this.#facts.push(fact)
    this.#onFact?.(fact)
  }

  addTcp(family: AddressFamily, finding: EgressFinding): void {
    const { value, confidence, evidence } = finding
    this.#tcp.set(family, { value, confidence, evidence })
    this.add('tcp', finding)
  }

  addMapping(mapping: TcpMapping): void {
    this.#overTcp.push(mapping)
  }

  has(transport: EgressTransport): boolean {
    return this.#facts.some((fact) => fact.transport === transport)
  }

  /** The result. Ways that nothing was found out about by now are unknown, for the given reason. */
  close(expected: readonly EgressTransport[], why: string): RelayEgress {
    for (const transport of expected) if (!this.has(transport)) this.add(transport, unknown(why))
    const times = this.#facts.flatMap(({ transport, value, ms }) =>
      transport === 'tcp' && value === true ? (ms ?? []) : [],
    )
    return {
      relay: this.#relay,
      facts: this.#facts,
      tcp: { ipv4: this.#tcpFact('ipv4'), ipv6: this.#tcpFact('ipv6') },
      latencyMs: times.length === 0 ? undefined : Math.min(...times),
      info: this.info,
      date: this.date,
      proxy: this.proxy ?? unknown(why),
      overTcp: this.#overTcp,
    }
  }

  #tcpFact(family: AddressFamily): Fact<boolean> {
    const name = family === 'ipv4' ? 'IPv4' : 'IPv6'
    return this.#tcp.get(family) ?? unknown(`${this.#relay.host} was not tried over ${name}`)
  }
}
