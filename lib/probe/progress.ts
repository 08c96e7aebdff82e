import type { Fact } from '../base/fact.ts'
import type { Gateway } from '../base/runtime.ts'
import { formatAddress } from '../base/transport-address.ts'
import type { NatDiscoveryReport } from '../protocol/stun/nat-behavior-discovery.ts'
import type { PortMappingPresence } from './port-mapping-presence.ts'
import type { EgressFact, InterfaceReport } from './report.ts'

/** News for a person who waits. The same group and label again replaces what was said before. */
export type DiagnoseProgress =
  | { readonly kind: 'fact'; readonly group: string; readonly label: string; readonly text: string }
  | { readonly kind: 'done' }

/** Puts news into words, each only when it says something new. */
export class ProgressTeller {
  readonly #onProgress: ((progress: DiagnoseProgress) => void) | undefined
  readonly #said = new Map<string, string>()

  constructor(onProgress: ((progress: DiagnoseProgress) => void) | undefined) {
    this.#onProgress = onProgress
  }

  readonly egress = (fact: EgressFact): void => {
    const words =
      fact.value === true
        ? 'works'
        : fact.value === false
          ? `fails (${fact.error ?? 'no answer'})`
          : 'not known'
    const time = fact.value === true && fact.ms !== undefined ? ` in ${Math.round(fact.ms)} ms` : ''
    this.#say('Ways out', `${fact.transport} ${fact.relay}`, words + time)
  }

  local(interfaces: readonly InterfaceReport[], gateways: readonly Gateway[]): void {
    const carrying = interfaces.filter((one) => one.carries.length > 0)
    const words = carrying.map(({ name, addresses }) => `${name} ${addresses[0] ?? ''}`)
    this.#say(
      'Local network',
      'interface',
      words.length > 0 ? words.join(', ') : 'none has a route to the internet',
    )
    const [gateway] = gateways
    if (gateway !== undefined) this.#say('Local network', 'gateway', gateway.ip)
  }

  udp(report: NatDiscoveryReport): void {
    const { family, publicAddress, mapping, filtering, portAllocation } = report
    if (publicAddress !== undefined) this.#say('Addresses', family, formatAddress(publicAddress))
    const prefix = family === 'ipv4' ? '' : 'IPv6 '
    this.#sayFact('NAT', `${prefix}mapping`, mapping)
    this.#sayFact('NAT', `${prefix}filtering`, filtering)
    this.#sayFact('NAT', `${prefix}ports`, portAllocation)
  }

  portMapping({ pcp, natPmp, upnp }: PortMappingPresence): void {
    const named = [
      ['PCP', pcp],
      ['NAT-PMP', natPmp],
      ['UPnP', upnp],
    ] as const
    const there = named.filter(([, fact]) => fact.value === 'available').map(([name]) => name)
    this.#say('Local network', 'port mapping', there.length > 0 ? there.join(', ') : 'none')
  }

  deep(): void {
    this.#say('NAT', 'deep', 'waiting for idle bindings to end; up to 3 minutes')
  }

  done(): void {
    this.#onProgress?.({ kind: 'done' })
  }

  #sayFact(group: string, label: string, fact: Fact<string>): void {
    if (fact.value !== 'unknown') this.#say(group, label, fact.value)
  }

  #say(group: string, label: string, text: string): void {
    const key = `${group} ${label}`
    if (this.#said.get(key) === text) return
    this.#said.set(key, text)
    this.#onProgress?.({ kind: 'fact', group, label, text })
  }
}
