import type { NetworkInterface } from '../base/runtime.ts'
import { interfaceKind } from '../net/interface-kind.ts'
import type { InterfaceReport } from './report.ts'

/** The interfaces with the kind their names tell, and which of them packets to the internet leave by. */
export function describeInterfaces(
  interfaces: readonly NetworkInterface[],
  sources: { readonly ipv4: string | undefined; readonly ipv6: string | undefined },
): readonly InterfaceReport[] {
  return interfaces.map(({ name, addresses }) => ({
    name,
    kind: interfaceKind(name),
    addresses: addresses.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`),
    carries: (['ipv4', 'ipv6'] as const).filter((family) =>
      addresses.some(({ ip }) => ip === sources[family]),
    ),
  }))
}
