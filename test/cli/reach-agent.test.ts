import { once } from 'node:events'
import http from 'node:http'
import { join } from 'node:path'
import test from 'ava'
import { Peer, ReachAgent, ReachError } from '../../lib/index.ts'
import { aNetwork } from './support/member-network.ts'

test('the timeout of an agent counts, and what fails is an error of the request', async (t) => {
  const { folder } = await aNetwork(t)
  const alice = await Peer.open({ home: join(folder, 'alice') })
  const bob = await Peer.open({ home: join(folder, 'bob') })
  const server = http.createServer(() => undefined)
  t.teardown(async () => {
    server.closeAllConnections()
    await Promise.all([bob.close(), alice.close()])
  })
  await alice.listen('web', server)

  const slow = http.get('http://alice/', { agent: new ReachAgent(bob, { timeout: 200 }) })
  await once(slow, 'timeout')
  const gone = once(slow, 'error')
  slow.destroy()
  await gone

  for (const [host, service, code] of [
    ['alice', 'nothing', 'ERR_REACH_STREAM_REFUSED'],
    ['carol', 'web', 'ERR_REACH_PEER_OFFLINE'],
  ] as const) {
    const request = http.get(`http://${host}/`, { agent: new ReachAgent(bob, { service }) })
    const happened: readonly unknown[] = await once(request, 'error')
    t.true(ReachError.is(happened[0], code), String(happened[0]))
  }
})
