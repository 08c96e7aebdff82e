import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DiagnoseReport, Runtime } from '../../lib/index.ts'
import { canonicalIp, diagnose, formatAddress, isIp, nodeRuntime } from '../../lib/index.ts'
import { RelayServer } from '../../relay-server/relay-server.ts'
import type { DiagnoseProgress } from '../../lib/index.ts'
import { VERSION } from '../version.ts'

/** 127.0.0.0/8 is all this host's, except on macOS, where only the first address is. */
const RELAY_IPS = process.platform === 'darwin' ? ['127.0.0.1'] : ['127.0.0.1', '127.0.0.2']

/** Diagnoses the loopback interface with a relay in this process; no packet leaves the computer. */
export async function diagnoseLoopback(
  onProgress: (progress: DiagnoseProgress) => void,
  signal: AbortSignal,
): Promise<DiagnoseReport> {
  const runtime = loopbackRuntime()
  const home = await mkdtemp(join(tmpdir(), 'p2p-reach-demo-'))
  try {
    await using relay = await RelayServer.open(runtime, {
      version: VERSION,
      listen: [{ host: '127.0.0.1', port: 0 }],
      stun: RELAY_IPS.map((host) => ({ host, port: STUN_PORT })),
      tls: { kind: 'own', home, hosts: ['127.0.0.1'] },
    })
    const [tcp] = relay.tcpAddresses
    const url = `https://${tcp === undefined ? '' : formatAddress(tcp)}#sha256=${relay.fingerprint ?? ''}`
    const stun = relay.stunAddresses.slice(0, 1).map(formatAddress)
    return await diagnose({ runtime, relays: [url], stun, onProgress, signal })
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}

/** Ours: unlikely to be taken; a relay on this host may have 3478. */
const STUN_PORT = 43_478

/** This process' network without anything that would reach beyond the computer: gateways, routers, name servers. */
function loopbackRuntime(): Runtime {
  const real = nodeRuntime({ interfaces: { includeLoopback: true } })
  const failed = { kind: 'failed', code: 'ENOTIMP' } as const
  return {
    ...real,
    network: {
      ...real.network,
      defaultGateways: () => Promise.resolve([]),
      traceHops: () => Promise.resolve(undefined),
    },
    resolver: {
      lookup: (host) => Promise.resolve(isIp(host) ? { kind: 'found', ips: [canonicalIp(host)] } : failed),
      servers: () => [],
      query: () => Promise.resolve(failed),
    },
  }
}
