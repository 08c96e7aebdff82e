import type { Duplex } from 'node:stream'
import { transportAddress } from '../base/transport-address.ts'
import type { Rendezvous } from '../protocol/ssh/rendezvous.ts'
import { opened } from './opened.ts'
import { sshUnreachable } from './ssh-errors.ts'
import type { SshServerSetup } from './ssh-options.ts'

/** Connections to the ports of a place that the server gives to all the world: no account there is needed. */
export async function* dialPublic(
  { runtime, url }: SshServerSetup,
  { ports }: Rendezvous,
  signal: AbortSignal,
): AsyncGenerator<Duplex, void> {
  const found = await runtime.resolver.lookup(url.host, signal)
  if (found.kind !== 'found') throw sshUnreachable(url, `its name can’t be resolved (${found.code})`)
  const connect = (ip: string, port: number) =>
    runtime.network.connectTcp(transportAddress(ip, port, 'tcp'), { signal }).catch(() => undefined) // nobody is there
  for (const ip of found.ips) yield* opened(ports.map((port) => connect(ip, port)))
}
