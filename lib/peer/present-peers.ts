import type { PeerId } from '../base/peer-id.ts'
import type { PresentPeer } from '../relay/relay-client.ts'
import type { RelayLinks } from './relay-links.ts'

/** Who can be reached now, as the relays know it. @throws {ReachError} ERR_REACH_RELAY_UNREACHABLE */
export async function presentPeers(links: RelayLinks, signal?: AbortSignal): Promise<readonly PresentPeer[]> {
  const asked = await links.ready(signal)
  const found = new Map<PeerId, PresentPeer>()
  const answers = await Promise.allSettled(
    asked.map(async ({ client }) => (await client?.peers(signal)) ?? []),
  )
  for (const answer of answers) {
    if (answer.status === 'rejected') continue
    for (const peer of answer.value) if (!found.has(peer.peerId)) found.set(peer.peerId, peer)
  }
  const failed = answers.find(({ status }) => status === 'rejected')
  if (found.size === 0 && failed?.status === 'rejected') throw failed.reason
  return [...found.values()].sort((a, b) => (a.name ?? a.peerId).localeCompare(b.name ?? b.peerId))
}
