import test from 'ava'
import type { ExecutionContext } from 'ava'
import { createClient, createServer } from 'node-stun'
import type { NodeStunClient } from 'node-stun'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { runSurvey } from '../../lib/probe/udp-survey.ts'
import { NatBehaviorDiscovery } from '../../lib/protocol/stun/nat-behavior-discovery.ts'
import { freePortPair, relayOf } from '../loopback/relay-support/relay.ts'

/* The npm package node-stun speaks RFC 3489 as the clients and servers of its time did: no magic cookie, no XOR. */

const IPS = ['127.0.0.1', '127.0.0.2'] as const

/** Its server, on all four addresses. */
async function startServer(t: ExecutionContext): Promise<number> {
  const port = await freePortPair(IPS)
  const server = createServer({
    primary: { host: IPS[0], port },
    secondary: { host: IPS[1], port: port + 1 },
  })
  let listening = 0
  const ready = new Promise<void>((resolve) => {
    server.on('log', ({ message }) => {
      if (message.includes('listening') && ++listening === 4) resolve()
    })
  })
  server.listen()
  t.teardown(() => server.close())
  await ready
  return port
}

test.serial('our discovery understands its server: no NAT and no filter on loopback', async (t) => {
  const port = await startServer(t)
  const runtime = nodeRuntime({ interfaces: { includeLoopback: true } })
  const discovery = new NatBehaviorDiscovery({
    family: 'ipv4',
    servers: [transportAddress(IPS[0], port)],
    localIp: IPS[0],
    newTransactionId: () => runtime.random.bytes(12),
  })
  await runSurvey(runtime, discovery)
  const report = discovery.report(runtime.clock.nowMs())
  t.is(report.mapping.value, 'none', report.mapping.evidence.join('\n'))
  t.is(report.filtering.value, 'none', report.filtering.evidence.join('\n'))
  t.deepEqual(report.publicIps, [IPS[0]])
  t.is(report.publicAddress?.port, report.local?.port)
  t.deepEqual(report.contacts[0]?.other, transportAddress(IPS[1], port + 1))
  t.is(report.alg.value, 'unknown', 'it sends MAPPED-ADDRESS alone')
})

/** Runs its client to the end. */
async function discover(client: NodeStunClient): Promise<number> {
  const result = await new Promise<number>((resolve) => client.start(resolve))
  await new Promise<void>((resolve) => client.close(resolve))
  return result
}

test.serial('its client finds out through our server that nothing is in the way', async (t) => {
  const port = await freePortPair(IPS)
  const relay = await relayOf(t, { stun: IPS.map((host) => ({ host, port })) })
  const client = createClient()
  client.setLocalAddr(IPS[0])
  client.setServerAddr(IPS[0], port)
  t.is(await discover(client), 0)
  t.is(client.getNatType(), 'Open to internet')
  t.is(client.getNB(), 'I')
  t.is(client.getEF(), 'I')
  t.is(client.getMappedAddr().address, IPS[0])
  t.true(relay.metrics().stun.udp.replies >= 5)
})
