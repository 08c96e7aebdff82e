import test from 'ava'
import { stateJson, stateText } from '../../../cli/commands/map-talk.ts'
import type { LeaseState, MappingProof } from '../../../lib/index.ts'
import { ReachError, transportAddress } from '../../../lib/index.ts'

const grant = {
  protocol: 'nat-pmp',
  gatewayIp: '192.168.1.1',
  internal: transportAddress('192.168.1.10', 25565, 'tcp'),
  externalIp: '203.0.113.5',
  externalPort: 25565,
  lifetimeS: 7200,
  keep: {},
} as const
const external = transportAddress('203.0.113.5', 25565, 'tcp')
const relay = 'relay.example.org:443'

function active(proof: MappingProof | undefined): LeaseState {
  return { kind: 'active', grant, proof, external }
}

test('ready: the addresses, who made it, for how long, and the kind of the proof', (t) => {
  const proof = { proof: 'proven', kind: 'received', external, relay } as const
  t.deepEqual(stateJson(active(proof)), {
    event: 'ready',
    transport: 'tcp',
    internal: '192.168.1.10:25565',
    external: '203.0.113.5:25565',
    externalPort: 25565,
    protocol: 'nat-pmp',
    gateway: '192.168.1.1',
    lifetimeS: 7200,
    proof: 'received',
    provenBy: relay,
  })
  t.deepEqual(stateText(active(proof)), [
    'tcp 203.0.113.5:25565 leads to 192.168.1.10:25565',
    'made by NAT-PMP at 192.168.1.1, for 2 h, renewed',
    'proven from outside: what relay.example.org:443 sent there came in',
  ])
})

test('an unproven mapping says so, why, and what to do', (t) => {
  for (const state of [active(undefined), active({ proof: 'unproven', why: 'no-relay' })]) {
    t.like(stateJson(state), { proof: 'unproven', why: 'no-relay' })
    const text = stateText(state).join('\n')
    t.regex(text, /unproven: nobody has tried it from outside/)
    t.regex(text, /p2p-reach join/)
  }
})

test('a mapping for good says no time', (t) => {
  const state: LeaseState = {
    kind: 'active',
    grant: { ...grant, lifetimeS: 0 },
    proof: undefined,
    external: undefined,
  }
  t.regex(stateText(state).join('\n'), /for good, until removed/)
  t.like(stateJson(state), { external: null, lifetimeS: 0 })
})

test('what goes wrong later is told with its reason', (t) => {
  t.deepEqual(stateJson({ kind: 'restoring', reason: 'gateway-reset' }), {
    event: 'restoring',
    reason: 'gateway-reset',
  })
  t.regex(stateText({ kind: 'restoring', reason: 'gateway-reset' }).join(), /the gateway has started anew/)
  const error = new ReachError('ERR_REACH_NO_GATEWAY', 'no gateway maps ports', { hint: 'switch it on' })
  t.deepEqual(stateJson({ kind: 'lost', error }), {
    event: 'error',
    code: 'ERR_REACH_NO_GATEWAY',
    message: 'no gateway maps ports',
    hint: 'switch it on',
  })
  t.is(stateJson({ kind: 'closed' }), undefined)
  t.deepEqual(stateText({ kind: 'closed' }), [])
})
