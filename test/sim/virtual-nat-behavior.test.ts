import test from 'ava'
import { forSeeds } from './for-seeds.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { Dependence, NatBehaviorOptions } from './virtual-nat-options.ts'
import { Probe, text } from './virtual-probe.ts'

/** How many seeds each statement is checked with. */
const SEEDS = 5
const BEHAVIORS: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]

/**
 * RFC 4787 §4.1 and §5 with their names: the internal endpoint X:x and the external ones Y1:y1 (which X:x sends to
 * first), Y1:y2 (same address), Y2:y1 (same port) and Y2:y2.
 */
function scene(seed: number, options: NatBehaviorOptions) {
  const net = new VirtualInternet({ seed })
  const one = net.host({ name: 'Y1' })
  const two = net.host({ name: 'Y2' })
  const nat = net.nat(options)
  const x = new Probe(net, net.host({ name: 'X', behind: nat }), { port: 5000 })
  const at = (host: typeof one, port: number) => new Probe(net, host, { port })
  return { net, nat, x, y11: at(one, 1111), y12: at(one, 2222), y21: at(two, 1111), y22: at(two, 2222) }
}

/** RFC 4787 §4.1: whether X:x appears to each remote endpoint with the mapping that it has towards Y1:y1. */
const SAME_MAPPING: Readonly<Record<Dependence, { y11: boolean; y12: boolean; y21: boolean; y22: boolean }>> =
  {
    'endpoint-independent': { y11: true, y12: true, y21: true, y22: true },
    'address-dependent': { y11: true, y12: true, y21: false, y22: false },
    'address-and-port-dependent': { y11: true, y12: false, y21: false, y22: false },
  }

/** RFC 4787 §5: whether each remote endpoint gets through to X:x once X:x has sent to Y1:y1. */
const PASSES_FILTER: typeof SAME_MAPPING = {
  'endpoint-independent': { y11: true, y12: true, y21: true, y22: true },
  'address-dependent': { y11: true, y12: true, y21: false, y22: false },
  'address-and-port-dependent': { y11: true, y12: false, y21: false, y22: false },
}

for (const mapping of BEHAVIORS) {
  for (const filtering of BEHAVIORS) {
    // Random ports, so that equal ports can only mean one mapping.
    const options: NatBehaviorOptions = { mapping, filtering, ports: { kind: 'random' } }

    test(`${mapping} mapping with ${filtering} filtering maps as RFC 4787 §4.1 defines`, (t) => {
      forSeeds(SEEDS, (seed) => {
        const { x, y11, y12, y21, y22 } = scene(seed, options)
        const first = text(x.shows(y11))
        const same = {
          y11: text(x.shows(y11)) === first,
          y12: text(x.shows(y12)) === first,
          y21: text(x.shows(y21)) === first,
          y22: text(x.shows(y22)) === first,
        }
        t.deepEqual(same, SAME_MAPPING[mapping])
      })
    })

    test(`${mapping} mapping with ${filtering} filtering filters as RFC 4787 §5 defines`, (t) => {
      forSeeds(SEEDS, (seed) => {
        const { x, y11, y12, y21, y22 } = scene(seed, options)
        const mapped = x.shows(y11)
        const passes = {
          y11: y11.reaches(mapped, x),
          y12: y12.reaches(mapped, x),
          y21: y21.reaches(mapped, x),
          y22: y22.reaches(mapped, x),
        }
        t.deepEqual(passes, PASSES_FILTER[filtering])
      })
    })

    test(`${mapping} mapping with ${filtering} filtering lets nobody in before something went out`, (t) => {
      const { x, y11, nat, net } = scene(1, options)
      const [ip = ''] = nat.externalIps
      t.false(y11.reaches({ ...y11.address, ip, port: 5000 }, x))
      t.is(net.trace.dropped('no-mapping'), 1)
    })
  }
}

for (const mapping of BEHAVIORS) {
  test(`${mapping} mapping gives another internal port another mapping`, (t) => {
    forSeeds(SEEDS, (seed) => {
      const { net, nat, y11 } = scene(seed, { mapping, ports: { kind: 'random' } })
      const host = net.host({ behind: nat })
      t.not(
        new Probe(net, host, { port: 1 }).showsPort(y11),
        new Probe(net, host, { port: 2 }).showsPort(y11),
      )
    })
  })
}

test('the answer arrives from the endpoint that was written to, at the internal endpoint', (t) => {
  const { x, y11 } = scene(1, { ports: { kind: 'random' } })
  y11.send(x.shows(y11) ?? y11.address)
  t.is(text(x.packets[0]?.from), text(y11.address))
})

test('a permission belongs to one mapping: another socket of the host does not profit', (t) => {
  const { net, nat, x, y11, y21 } = scene(1, { filtering: 'address-dependent' })
  const other = new Probe(net, net.host({ behind: nat }), { port: 6000 })
  const mapped = x.shows(y11)
  other.shows(y21)
  t.false(y21.reaches(mapped, x))
})

test('each further destination is let in as well (EIM with APDF)', (t) => {
  const { x, y11, y22 } = scene(1, {})
  const mapped = x.shows(y11)
  t.false(y22.reaches(mapped, x))
  x.shows(y22)
  t.true(y22.reaches(mapped, x))
  t.true(y11.reaches(mapped, x))
})

test('both sides open a way for each other through two port-restricted NATs (RFC 5128 §3.3.1)', (t) => {
  const net = new VirtualInternet({ seed: 1 })
  const rendezvous = new Probe(net, net.host())
  const alice = new Probe(net, net.host({ behind: net.nat() }))
  const bob = new Probe(net, net.host({ behind: net.nat() }))
  const aliceSeen = alice.shows(rendezvous)
  const bobSeen = bob.shows(rendezvous)
  t.false(alice.reaches(bobSeen, bob))
  t.true(bob.reaches(aliceSeen, alice))
  t.true(alice.reaches(bobSeen, bob))
})
