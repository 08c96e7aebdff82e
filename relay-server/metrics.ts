import type { ControlCounters } from './control/control-server.ts'
import type { DataCounters } from './data/data-service.ts'
import type { SshCounters } from './ssh/ssh-service.ts'
import type { StunServerCounters } from '../lib/protocol/stun/server.ts'

export interface RelayMetrics {
  readonly stun: { readonly udp: StunServerCounters; readonly tcp: StunServerCounters }
  /** Undefined on a relay without a network. */
  readonly network: (ControlCounters & DataCounters & Partial<SshCounters>) | undefined
  readonly tcpConnections: number
  /** Of these, those that have proven nothing, or need not. */
  readonly newcomers: number
  readonly uptimeS: number
}

const STUN_HELP: Readonly<Record<keyof StunServerCounters, string>> = {
  requests: 'Binding requests read and within the rate limit',
  replies: 'success replies sent',
  errors: 'error replies sent',
  ignored: 'datagrams that were no Binding request',
  rateLimited: 'requests over the rate of their source',
  rationLimited: 'requests too short for their reply whose source had used up its ration',
}

/** The metrics in Prometheus' text format 0.0.4. */
export function formatMetrics(metrics: RelayMetrics): string {
  const lines: string[] = []
  for (const [name, help] of Object.entries(STUN_HELP) as [keyof StunServerCounters, string][]) {
    const metric = `p2p_reach_stun_${name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`)}_total`
    lines.push(`# HELP ${metric} STUN: ${help}`, `# TYPE ${metric} counter`)
    for (const transport of ['udp', 'tcp'] as const) {
      lines.push(`${metric}{transport="${transport}"} ${metrics.stun[transport][name]}`)
    }
  }
  if (metrics.network !== undefined) {
    lines.push(
      ...gauge('p2p_reach_members', 'members of the network that are connected', metrics.network.members),
    )
    lines.push(
      ...gauge('p2p_reach_strangers', 'control connections without a proven key', metrics.network.strangers),
    )
  }
  if (metrics.network !== undefined) {
    lines.push(...dataLines(metrics.network), ...proofs(metrics.network.proofs))
    const { sshClients = 0, sshChannels = 0 } = metrics.network
    lines.push(...gauge('p2p_reach_ssh_clients', 'SSH clients that are logged in', sshClients))
    lines.push(...gauge('p2p_reach_ssh_channels', 'channels between SSH clients', sshChannels))
  }
  lines.push(...gauge('p2p_reach_tcp_connections', 'open TCP connections', metrics.tcpConnections))
  lines.push(...gauge('p2p_reach_newcomers', 'TCP connections that have proven nothing', metrics.newcomers))
  lines.push(...gauge('p2p_reach_uptime_seconds', 'seconds since the start', Math.round(metrics.uptimeS)))
  return `${lines.join('\n')}\n`
}

function dataLines(counters: DataCounters): readonly string[] {
  return [
    ...gauge('p2p_reach_registered', 'members that take sessions', counters.registered),
    ...gauge('p2p_reach_paths', 'paths that are carried', counters.paths),
    ...gauge('p2p_reach_waiting_legs', 'data legs that wait for the other one', counters.waitingLegs),
    ...counter('p2p_reach_paths_total', 'paths that were carried', counters.pathsTotal),
    ...counter('p2p_reach_relayed_bytes_total', 'bytes that were carried', counters.bytesTotal),
    ...gauge('p2p_reach_path_buffer_bytes', 'memory of read buffers of paths', counters.bufferBytes),
    ...refusals(counters.refusedRequests),
  ]
}

function proofs(byOutcome: ControlCounters['proofs']): readonly string[] {
  const name = 'p2p_reach_proofs_total'
  return [
    `# HELP ${name} ports of members that were tried from outside, by what became of it`,
    `# TYPE ${name} counter`,
    ...[...byOutcome].map(([outcome, count]) => `${name}{outcome="${outcome}"} ${count}`),
  ]
}

/** One label value for each code: there are few. */
function refusals(byCode: DataCounters['refusedRequests']): readonly string[] {
  const name = 'p2p_reach_requests_refused_total'
  const help = 'requests of members for paths, lists or registration that were refused'
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} counter`,
    ...[...byCode].map(([code, count]) => `${name}{code="${code}"} ${count}`),
  ]
}

function counter(name: string, help: string, value: number): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} counter`, `${name} ${value}`]
}

function gauge(name: string, help: string, value: number): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, `${name} ${value}`]
}
