import test from 'ava'
import { PathPolicy } from '../../../lib/session/path-policy.ts'
import type { PathOption } from '../../../lib/session/path-policy.ts'

const relay: PathOption = { id: 1, kind: 'relay', minRttMs: 40, sinceMs: 0, isActive: true }
const udp: PathOption = { id: 2, kind: 'direct-udp', minRttMs: 20, sinceMs: 100, isActive: false }
const tcp: PathOption = { id: 3, kind: 'direct-tcp', minRttMs: 21, sinceMs: 200, isActive: false }

const active = (option: PathOption): PathOption => ({ ...option, isActive: true })
const standby = (option: PathOption): PathOption => ({ ...option, isActive: false })

test('a direct path is chosen over the relay, and TCP over UDP', (t) => {
  const policy = new PathPolicy()
  t.is(policy.choose([relay, udp], 300), 2)
  t.is(policy.choose([relay, udp, tcp], 300), 3)
  t.is(policy.choose([standby(relay), active(udp), tcp], 300), 3)
})

test('a path that never answered is not chosen', (t) => {
  t.is(new PathPolicy().choose([relay, { ...udp, minRttMs: undefined }], 300), undefined)
})

test('the chosen path is kept: no answer means no change', (t) => {
  const policy = new PathPolicy()
  t.is(policy.choose([standby(relay), active(tcp), udp], 300), undefined)
  t.is(policy.choose([], 300), undefined)
})

test('without an active path the best one is taken', (t) => {
  t.is(new PathPolicy().choose([standby(relay), udp], 300), 2)
})

test('a direct path that makes a detour is left for the relay', (t) => {
  const policy = new PathPolicy()
  t.is(policy.choose([relay, { ...udp, minRttMs: 131 }], 300), undefined)
  t.is(policy.choose([standby(relay), active({ ...udp, minRttMs: 131 })], 300), 1)
  t.is(policy.choose([standby(relay), active({ ...udp, minRttMs: 129 })], 300), undefined)
})

test('of two paths of one kind the faster is taken only when it is faster by more than noise', (t) => {
  const policy = new PathPolicy()
  const other = { ...udp, id: 4 }
  t.is(policy.choose([active({ ...udp, minRttMs: 20 }), { ...other, minRttMs: 15 }], 300), undefined)
  t.is(policy.choose([active({ ...udp, minRttMs: 20 }), { ...other, minRttMs: 8 }], 300), 4)
})

test('a path that is retired is left for any other that answers', (t) => {
  const policy = new PathPolicy()
  const retired = { ...relay, isRetired: true }
  const other = { ...relay, id: 4, minRttMs: 90, isActive: false }
  t.is(policy.choose([retired, { ...other, minRttMs: undefined }], 300), undefined)
  t.is(policy.choose([retired, other], 300), 4)
  t.is(policy.choose([standby(retired), active(other)], 300), undefined)
})

test('after losses a direct path is on probation, longer each time, and a quiet time clears it', (t) => {
  const policy = new PathPolicy()
  policy.lost('direct-udp', 1000)
  const again = { ...udp, sinceMs: 1500 }
  t.is(policy.choose([relay, again], 2499), undefined)
  t.is(policy.deadlineMs([relay, again], 2000), 2500)
  t.is(policy.choose([relay, again], 2500), 2)
  for (const ms of [3000, 4000, 5000, 6000, 7000]) policy.lost('direct-tcp', ms)
  t.is(policy.choose([relay, { ...udp, sinceMs: 8000 }], 37_999), undefined)
  t.is(policy.choose([relay, { ...udp, sinceMs: 8000 }], 38_000), 2)
  t.is(policy.choose([relay, { ...udp, sinceMs: 200_000 }], 200_000), 2)
})

test('losses of relayed paths put nothing on probation', (t) => {
  const policy = new PathPolicy()
  policy.lost('relay', 1000)
  t.is(policy.choose([relay, udp], 1001), 2)
  t.is(policy.deadlineMs([relay, udp], 1001), undefined)
})
