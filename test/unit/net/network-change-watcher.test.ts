import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import type { Gateway, Network, NetworkInterface } from '../../../lib/base/runtime.ts'
import { NetworkChangeWatcher } from '../../../lib/net/network-change-watcher.ts'
import type { NetworkChange } from '../../../lib/net/network-snapshot.ts'
import { FakeClock } from './support/fake-clock.ts'

const notFaked = (): never => {
  throw new Error('not part of this test')
}

/** A network that is what its fields say; `looks` counts how often it was asked. */
class FakeNetwork implements Network {
  readonly setsDontFragment = true
  listed: readonly NetworkInterface[] = []
  gateways: readonly Gateway[] = []
  looks = 0
  readonly openUdp = notFaked
  readonly connectTcp = notFaked
  readonly sourceIpTowards = notFaked
  readonly traceHops = notFaked

  interfaces(): readonly NetworkInterface[] {
    this.looks++
    return this.listed
  }

  defaultGateways(): Promise<readonly Gateway[]> {
    return Promise.resolve(this.gateways)
  }

  setAddress(ip: string): void {
    this.listed = [{ name: 'eth0', addresses: [{ family: 'ipv4', ip, prefixLength: 24 }] }]
  }

  setGateway(ip: string): void {
    this.gateways = [{ family: 'ipv4', ip, interfaceName: 'eth0', metric: 100 }]
  }
}

async function setUp() {
  const clock = new FakeClock()
  const network = new FakeNetwork()
  network.setAddress('192.168.1.23')
  network.setGateway('192.168.1.1')
  const changes: NetworkChange[] = []
  const watcher = new NetworkChangeWatcher({ clock, network }, { onChange: (change) => changes.push(change) })
  await watcher.start()
  return { clock, network, watcher, changes, kinds: () => changes.map((change) => change.kind) }
}

test('the state at the start is no change', async (t) => {
  const { changes, watcher } = await setUp()
  t.deepEqual(changes, [])
  watcher.close()
})

test('looks every 5 s and tells what changed', async (t) => {
  const { clock, network, changes, watcher } = await setUp()
  const before = network.listed
  network.setAddress('10.0.0.5')
  clock.advance(4_999)
  await nextTurn()
  t.deepEqual(changes, [])
  clock.advance(1)
  await nextTurn()
  t.deepEqual(changes, [{ kind: 'addresses', before, after: network.listed }])
  clock.advance(5_000)
  await nextTurn()
  t.is(changes.length, 1)
  watcher.close()
})

test('tells a change of gateways', async (t) => {
  const { clock, network, kinds, watcher } = await setUp()
  network.setGateway('192.168.1.254')
  clock.advance(5_000)
  await nextTurn()
  t.deepEqual(kinds(), ['gateways'])
  watcher.close()
})

test('check looks at once, and two at the same time look once', async (t) => {
  const { network, kinds, watcher } = await setUp()
  network.setAddress('10.0.0.5')
  network.looks = 0
  await Promise.all([watcher.check(), watcher.check()])
  t.deepEqual(kinds(), ['addresses'])
  t.is(network.looks, 1)
  watcher.close()
})

test('tells sleep by the wall clock, before the changes that came with it', async (t) => {
  const { clock, network, changes, kinds, watcher } = await setUp()
  clock.advance(3_000)
  clock.shiftWall(3_600_000)
  network.setAddress('10.0.0.5')
  clock.advance(2_000)
  await nextTurn()
  t.deepEqual(kinds(), ['slept', 'addresses'])
  t.like(changes[0], { sleptMs: 3_600_000 })
  watcher.close()
})

test('tells sleep by a monotonic clock that ran on', async (t) => {
  const { clock, changes, watcher } = await setUp()
  clock.stall(65_000)
  clock.advance(0)
  await nextTurn()
  t.deepEqual(
    changes.map((change) => change.kind),
    ['slept'],
  )
  t.like(changes[0], { sleptMs: 60_000 })
  watcher.close()
})

test('a network that is slow to answer does not pile up looks nor delay ticks', async (t) => {
  const { clock, network, changes, watcher } = await setUp()
  let answer: ((gateways: readonly Gateway[]) => void) | undefined
  network.defaultGateways = () => new Promise((resolve) => (answer = resolve))
  network.looks = 0
  clock.advance(20_000)
  await nextTurn()
  t.is(network.looks, 1)
  t.deepEqual(changes, [])
  answer?.([])
  await nextTurn()
  t.deepEqual(
    changes.map((change) => change.kind),
    ['gateways'],
  )
  watcher.close()
})

test('close stops all, also a look that is under way, and can be repeated', async (t) => {
  const { clock, network, changes, watcher } = await setUp()
  network.setAddress('10.0.0.5')
  const checking = watcher.check()
  watcher.close()
  watcher.close()
  await checking
  clock.advance(60_000)
  await watcher.check()
  await watcher.start()
  t.deepEqual(changes, [])
  t.is(clock.pendingTimers, 0)
})

test('leaving a using block closes the watcher', async (t) => {
  const { clock, watcher } = await setUp()
  {
    using used = watcher
    await used.check()
  }
  t.is(clock.pendingTimers, 0)
})
