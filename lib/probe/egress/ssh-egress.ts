import type { Duplex } from 'node:stream'
import { measured } from '../../base/fact.ts'
import type { Runtime } from '../../base/runtime.ts'
import type { SshUrl } from '../../base/ssh-url.ts'
import { formatSshUrl } from '../../base/ssh-url.ts'
import type { StepLimits } from '../../net/outward/attempt.ts'
import { attempt } from '../../net/outward/attempt.ts'
import { owned } from '../../net/outward/owned-socket.ts'
import { printable } from '../../net/outward/printable.ts'
import { lookupHost } from '../../net/outward/resolve-hosts.ts'
import { connectAny } from '../../net/outward/tcp.ts'
import { protocolError } from '../../net/protocol-error.ts'
import type { EgressFact } from '../report.ts'
import type { EgressFinding } from './egress-finding.ts'
import { failedFinding, unresolvedFinding } from './egress-finding.ts'

/** RFC 4253 §4.2: a server may send other lines first; ours: no more than that of anybody's. */
const MAX_GREETING = 4096

/**
 * Whether an SSH server answers from here. It does not log in: who asks may have no key there, and nothing more of the
 * network is in the way once a server has said who it is.
 */
export async function probeSsh(runtime: Runtime, url: SshUrl, limits: StepLimits): Promise<EgressFact> {
  const finding = await greetingOf(runtime, url, limits)
  return { relay: formatSshUrl(url), transport: 'ssh', port: url.port, ...finding }
}

async function greetingOf(
  runtime: Runtime,
  { host, port }: SshUrl,
  limits: StepLimits,
): Promise<EgressFinding> {
  const { outcome } = await lookupHost(runtime, host, limits)
  if (outcome.kind !== 'found') return unresolvedFinding(host, outcome)
  const connection = await connectAny(runtime, outcome.ips, port, limits)
  if (connection.kind === 'failed') return failedFinding(connection)
  const { ip } = connection.to
  using raw = owned(connection.socket)
  const greeting = await attempt(runtime.clock, limits, (signal) => identification(raw.socket, signal))
  if (greeting.kind === 'failed') return { ...failedFinding(greeting), ip }
  const ms = connection.ms + greeting.ms
  return { ...measured(true, `it says ${printable(greeting.value)}`), ip, ms }
}

/** The line that an SSH server begins with (RFC 4253 §4.2). */
function identification(socket: Duplex, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string) => reject(protocolError('EPROTO', why))
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    socket.once('close', () => fail('the connection was cut before an SSH server said who it is'))
    socket.once('end', () => fail('what answered does not speak SSH'))
    socket.on('data', (chunk: Uint8Array) => {
      text += Buffer.from(chunk).toString('latin1')
      const [, line] = /(?:^|\n)(SSH-(?:2\.0|1\.99)-[^\r\n]*)\r?\n/.exec(text) ?? []
      if (line !== undefined) resolve(line)
      else if (text.length > MAX_GREETING) fail('what answered does not speak SSH')
    })
  })
}
