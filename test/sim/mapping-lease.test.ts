import test from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { MappingLease } from '../../lib/portmap/mapping-lease.ts'
import { PortMapper } from '../../lib/portmap/port-mapper.ts'
import type { Prove } from '../../lib/portmap/lease-state.ts'
import { CLIENT_IP, FakeLan, GATEWAY_IP } from '../support/fake-lan.ts'
import { MemoryJournal } from '../support/memory-journal.ts'
import { forSeedsAsync } from './for-seeds.ts'
import { SeededRandom } from './seeded-random.ts'

const SEEDS = 60
const MISFORTUNES = 12
const OTHER_IP = '192.168.1.77'
const KEY = 'ipv4/tcp/8080'

/**
 * A lease among gateways that restart, fall silent, refuse, change their protocols and addresses, and a host that moves.
 * Once all is well again, it must stand; once it is closed, nothing of it may be left that is not noted.
 */
async function liveThrough(seed: number): Promise<string[]> {
  const problems: string[] = []
  const random = new SeededRandom(seed)
  const pick = (count: number) => random.int(0, count - 1)
  const lan = new FakeLan(seed)
  const server = lan.addGateway()
  const home = [...lan.gateways]
  const journal = new MemoryJournal()
  const mapper = new PortMapper({ runtime: lan.runtime, journal })
  let isForwarding = true
  const prove: Prove = ({ externalIp, externalPort }) =>
    Promise.resolve(
      isForwarding
        ? {
            ...{ proof: 'proven', kind: 'received', relay: 'relay' },
            external: transportAddress('203.0.113.50', externalPort, 'tcp'),
          }
        : {
            ...{ proof: 'failed', cause: 'silence', relay: 'relay' },
            facts: { relayHeard: 'timed-out', externalIp, seenAs: '203.0.113.50' },
          },
    )
  const request = { transport: 'tcp', port: 8_080, lifetimeS: 600 } as const
  const lease = await lan.run(
    MappingLease.open({
      ...{ mapper, request, prove },
      onChange: (state) => {
        if (state.kind === 'active' && state.proof?.proof !== 'proven')
          problems.push('active without a proof')
      },
    }),
  )
  const misfortunes: readonly (() => void)[] = [
    () => lan.announce(server.restart(), GATEWAY_IP),
    () => void server.restart(),
    () => (server.behavior.losses = Infinity),
    () => (server.behavior.losses = 0),
    () => (server.behavior.pcp = !server.behavior.pcp),
    () => (server.behavior.natPmp = !server.behavior.natPmp),
    () => (server.behavior.pcpResult = pick(2) * 8),
    () => (lan.gateways = lan.gateways.length === 0 ? home : []),
    () => (lan.ips = [pick(2) === 0 ? CLIENT_IP : OTHER_IP]),
    () => (isForwarding = !isForwarding),
    () => server.occupy(8_080 + pick(3)),
    () => (server.behavior.delayMs = pick(400)),
  ]
  for (let count = 0; count < MISFORTUNES; count++) {
    misfortunes[pick(misfortunes.length)]?.()
    await lan.pass(random.uniform() * (pick(3) === 0 ? 700_000 : 4_000))
  }
  Object.assign(server.behavior, { losses: 0, pcp: true, natPmp: true, pcpResult: 0, delayMs: 1 })
  isForwarding = true
  lan.gateways = home
  // What the lease can't notice by itself within a lifetime, its pause after a dead port, and a look at the network.
  await lan.pass(1_300_000)
  const own = server.mappings.filter(({ internal }) => internal.port === 8_080)
  const current = own.filter(({ internal }) => internal.ip === lan.ips[0])
  if (lease.proof?.proof !== 'proven') problems.push(`it is ${lease.state.kind} when all is well again`)
  if (current.length !== 1) problems.push(`${current.length} mappings stand`)
  if (lease.external?.port !== current[0]?.externalPort)
    problems.push('it tells another port than the gateway')
  await lan.run(lease.close())
  await lan.run(mapper.close())
  const left = server.mappings.filter(({ internal }) => internal.port === 8_080)
  const noted = journal.notes.get(KEY) ?? []
  for (const { internal } of left)
    if (!noted.some((grant) => grant.internal.ip === internal.ip)) problems.push('something is left unnoted')
  if (left.some(({ internal }) => internal.ip === lan.ips[0])) problems.push('the mapping is left')
  if (lan.openSockets > 0 || lan.clock.pendingTimers > 0) problems.push('sockets or timers are left')
  return problems
}

test('a lease outlives whatever happens to its gateway, and leaves nothing behind', async (t) => {
  await forSeedsAsync(SEEDS, async (seed) => {
    t.deepEqual(await liveThrough(seed), [], `seed ${seed}`)
  })
})
