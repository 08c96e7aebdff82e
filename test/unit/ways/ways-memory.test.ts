import test from 'ava'
import { WaysMemory } from '../../../lib/ways/ways-memory.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'

const [NETWORK, RELAY] = ['192.0.2.1@eth0', '203.0.113.2:443']

test('how often to speak is still known when another way is taken; what legs need is not', (t) => {
  const memory = new WaysMemory(nodeRuntime(), undefined)
  memory.note(NETWORK, RELAY, { way: 'connect-proxy', legs: 'plain' })
  memory.note(NETWORK, RELAY, { way: 'connect-proxy', keepaliveMs: 5000 })
  t.like(memory.way(NETWORK, RELAY), { legs: 'plain', keepaliveMs: 5000 })
  memory.note(NETWORK, RELAY, { way: 'connect-proxy+websocket' })
  t.like(memory.way(NETWORK, RELAY), {
    way: 'connect-proxy+websocket',
    legs: undefined,
    keepaliveMs: 5000,
  })
})

test('legs that are forgotten leave the rest', (t) => {
  const memory = new WaysMemory(nodeRuntime(), undefined)
  memory.forgetLegs(NETWORK, RELAY)
  t.is(memory.way(NETWORK, RELAY), undefined)
  memory.note(NETWORK, RELAY, { way: 'direct', legs: 'tls', keepaliveMs: 5000 })
  memory.forgetLegs(NETWORK, RELAY)
  t.like(memory.way(NETWORK, RELAY), { way: 'direct', legs: undefined, keepaliveMs: 5000 })
})
