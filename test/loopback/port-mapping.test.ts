import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { Gateway, Network, Runtime } from '../../lib/base/runtime.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { MappingJournal } from '../../lib/portmap/mapping-journal.ts'
import { MappingLease } from '../../lib/portmap/mapping-lease.ts'
import { newNonce } from '../../lib/portmap/mapping-request.ts'
import { PortMapper } from '../../lib/portmap/port-mapper.ts'
import { serveFakeMapping } from '../support/fake-mapping-socket.ts'

/* Real sockets and a real disk; the gateways are fakes on addresses of 127.0.0.0/8, and nothing leaves this host. */

/** The real one, whose gateways are these and whose host address is 127.0.0.1. */
function runtimeWith(...gatewayIps: readonly string[]): Runtime {
  const real = nodeRuntime({ interfaces: { includeLoopback: true } })
  const gateways = gatewayIps.map((ip, index): Gateway => ({
    family: 'ipv4',
    ip,
    interfaceName: 'lo',
    metric: index,
  }))
  const network: Network = {
    setsDontFragment: real.network.setsDontFragment,
    openUdp: (options) => real.network.openUdp(options),
    connectTcp: (to, options) => real.network.connectTcp(to, options),
    interfaces: () => real.network.interfaces(),
    defaultGateways: () => Promise.resolve(gateways),
    sourceIpTowards: () => Promise.resolve('127.0.0.1'),
    traceHops: (to, options) => real.network.traceHops(to, options),
  }
  return { ...real, network }
}

const REQUEST = { transport: 'tcp', port: 8_080 } as const

test('a lease over real sockets, with its journal in a home folder', async (t) => {
  await using gateway = await serveFakeMapping('127.0.53.1')
  const home = await mkdtemp(join(tmpdir(), 'p2p-reach-portmap-'))
  t.teardown(() => rm(home, { recursive: true, force: true }))
  const runtime = runtimeWith('127.0.53.1')
  const journal = new MappingJournal(home, runtime)
  const mapper = new PortMapper({ runtime, journal })
  const lease = await MappingLease.open({ mapper, request: REQUEST })
  t.like(lease.state, { grant: { protocol: 'pcp', externalPort: 8_080 } })
  t.is((await readdir(join(home, 'port-mappings'))).length, 2)
  await lease.close()
  await mapper.close()
  await journal.close()
  t.deepEqual(gateway.server.mappings, [])
  t.deepEqual(await readdir(join(home, 'port-mappings')), [])
})

test('answers from another port are not believed', async (t) => {
  await using gateway = await serveFakeMapping('127.0.53.2', { answersFromPort: 1 })
  const runtime = runtimeWith('127.0.53.2')
  await using mapper = new PortMapper({ runtime })
  await t.throwsAsync(mapper.map(REQUEST, { nonce: newNonce(runtime) }), { code: 'ERR_REACH_NO_GATEWAY' })
  t.true(gateway.server.heard.includes('pcp-announce'))
})

test('of two gateways the better protocol wins, and the other is asked to remove its mapping', async (t) => {
  await using worse = await serveFakeMapping('127.0.53.3', { pcp: false })
  await using better = await serveFakeMapping('127.0.53.4', { delayMs: 20 })
  const runtime = runtimeWith('127.0.53.3', '127.0.53.4')
  const mapper = new PortMapper({ runtime })
  const grant = await mapper.map(REQUEST, { nonce: newNonce(runtime) })
  await mapper.close()
  t.like(grant, { protocol: 'pcp', gatewayIp: '127.0.53.4' })
  t.deepEqual(worse.server.mappings, [])
  t.is(better.server.mappings.length, 1)
})

test('groups are joined on an interface, several programs share the port, and what can’t be joined is left out', async (t) => {
  const { network } = nodeRuntime()
  const group = '239.255.53.53'
  const joins = [
    { group, via: '127.0.0.1' },
    { group, via: '192.0.2.77' }, // no address of this host
  ]
  const first = await network.openUdp({ family: 'ipv4', joins })
  const port = first.local.port
  const second = await network.openUdp({ family: 'ipv4', port, joins })
  const heard = [first, second].map(
    (socket) =>
      new Promise<string>(
        (resolve) => (socket.onPacket = ({ bytes }) => resolve(Buffer.from(bytes).toString())),
      ),
  )
  const sender = createSocket('udp4')
  sender.bind(0, '127.0.0.1')
  await once(sender, 'listening')
  sender.setMulticastInterface('127.0.0.1')
  sender.send('hello', port, group)
  t.deepEqual(await Promise.all(heard), ['hello', 'hello'])
  for (const socket of [sender, first, second]) socket.close()
})
