import { randomFillSync } from 'node:crypto'
import type { Network, Runtime } from '../base/runtime.ts'
import { defaultGateways } from './default-gateway.ts'
import type { ListInterfacesOptions } from './interfaces.ts'
import { listInterfaces } from './interfaces.ts'
import { nodeClock } from './node-clock.ts'
import type { NodeResolverOptions } from './node-resolver.ts'
import { nodeResolver } from './node-resolver.ts'
import { traceHops } from './ping-trace.ts'
import { sourceIpTowards } from './source-ip.ts'
import { openStreamUdp } from './stream-udp-socket.ts'
import { connectTcp } from './tcp-socket.ts'
import { openUdp } from './udp-socket.ts'

export interface NodeRuntimeOptions {
  /** What `network.interfaces()` lists. */
  readonly interfaces?: ListInterfacesOptions
  /** What `resolver.query()` asks. */
  readonly resolver?: NodeResolverOptions
}

/** The real outside: the clocks, random source, sockets and name resolution of this process. Owns nothing to close. */
export function nodeRuntime(options: NodeRuntimeOptions = {}): Runtime {
  return {
    clock: nodeClock,
    random: { bytes: (length) => randomFillSync(new Uint8Array(length)) },
    network: nodeNetwork(options.interfaces),
    resolver: nodeResolver(options.resolver),
  }
}

function nodeNetwork(interfaces: ListInterfacesOptions | undefined): Network {
  return {
    // udp(7): Linux discovers path MTUs by default; macOS and Windows fragment unless asked, and Node cannot ask.
    setsDontFragment: process.platform === 'linux',
    openUdp,
    openStreamUdp,
    connectTcp,
    interfaces: () => listInterfaces(interfaces),
    defaultGateways: () => defaultGateways(),
    sourceIpTowards,
    traceHops: (to, options) => traceHops(to, options),
  }
}
