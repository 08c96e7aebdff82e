import test from 'ava'
import fc from 'fast-check'
import type { Dependence } from './virtual-nat-options.ts'
import { VirtualInternet } from './virtual-internet.ts'
import { Probe } from './virtual-probe.ts'

const TIMEOUT_MS = 60_000
const INTERNAL = [0, 1, 2]
const REMOTES = [0, 1, 2, 3]

/** Remote endpoints 0 and 1 share an IP, so do 2 and 3; 0 and 2 share a port, so do 1 and 3. */
const ipOf = (remote: number) => remote >> 1

type Step =
  | { readonly kind: 'out'; readonly internal: number; readonly remote: number }
  /** To the external endpoint that `internal` was last seen with at `seenBy`. */
  | { readonly kind: 'in'; readonly internal: number; readonly seenBy: number; readonly remote: number }
  | { readonly kind: 'wait'; readonly ms: number }

/**
 * RFC 4787 read slowly: a list of what was sent, and questions to it. No keys, no tables: the mapping of a packet is
 * found by asking of each earlier one whether it made or used the same.
 */
class Oracle {
  readonly #mapping: Dependence
  readonly #filtering: Dependence
  readonly #mappings: {
    readonly internal: number
    readonly firstRemote: number
    readonly port: number
    readonly sent: { readonly remote: number; readonly atMs: number }[]
  }[] = []

  constructor(mapping: Dependence, filtering: Dependence) {
    this.#mapping = mapping
    this.#filtering = filtering
  }

  /** Checks the port that a packet out was seen with. */
  out(internal: number, remote: number, port: number, nowMs: number): boolean {
    const own = this.#alive(nowMs).find(
      (each) => each.internal === internal && isSame(this.#mapping, each.firstRemote, remote),
    )
    if (own !== undefined) {
      own.sent.push({ remote, atMs: nowMs })
      return own.port === port
    }
    const isNew = this.#alive(nowMs).every((each) => each.port !== port)
    this.#mappings.push({ internal, firstRemote: remote, port, sent: [{ remote, atMs: nowMs }] })
    return isNew
  }

  /** Which internal endpoint a packet in must arrive at, if any. */
  in(port: number, remote: number, nowMs: number): number | undefined {
    const own = this.#alive(nowMs).find((each) => each.port === port)
    const isPermitted = own?.sent.some(
      ({ remote: to, atMs }) => nowMs < atMs + TIMEOUT_MS && isSame(this.#filtering, to, remote),
    )
    return isPermitted === true ? own?.internal : undefined
  }

  #alive(nowMs: number) {
    return this.#mappings.filter(({ sent }) => sent.some(({ atMs }) => nowMs < atMs + TIMEOUT_MS))
  }
}

function isSame(dependence: Dependence, a: number, b: number): boolean {
  switch (dependence) {
    case 'endpoint-independent':
      return true
    case 'address-dependent':
      return ipOf(a) === ipOf(b)
    case 'address-and-port-dependent':
      return a === b
  }
}

function obeysOracle(
  mapping: Dependence,
  filtering: Dependence,
  seed: number,
  steps: readonly Step[],
): boolean {
  const net = new VirtualInternet({ seed })
  const [first, second] = [net.host({ link: {} }), net.host({ link: {} })]
  const remotes = REMOTES.map((i) => new Probe(net, ipOf(i) === 0 ? first : second, { port: 1000 + (i & 1) }))
  const nat = net.nat({ mapping, filtering, ports: { kind: 'random' }, udpTimeoutMs: TIMEOUT_MS, link: {} })
  const host = net.host({ behind: nat })
  const internals = INTERNAL.map((i) => new Probe(net, host, { port: 5000 + i }))
  const oracle = new Oracle(mapping, filtering)
  const seen = new Map<string, number>()
  const [ip = ''] = nat.externalIps
  return steps.every((step) => {
    if (step.kind === 'wait') {
      net.clock.advance(step.ms)
      return true
    }
    const remote = remotes[step.remote]
    const internal = internals[step.internal]
    if (remote === undefined || internal === undefined) throw new RangeError('no such probe')
    const nowMs = net.clock.nowMs()
    if (step.kind === 'out') {
      const port = internal.showsPort(remote) ?? -1
      seen.set(`${step.internal} ${step.remote}`, port)
      return oracle.out(step.internal, step.remote, port, nowMs)
    }
    const port = seen.get(`${step.internal} ${step.seenBy}`)
    if (port === undefined) return true
    const before = internals.map(({ packets }) => packets.length)
    remote.send({ ...remote.address, ip, port })
    const arrivedAt = internals.findIndex(({ packets }, i) => packets.length > (before[i] ?? 0))
    return arrivedAt === (oracle.in(port, step.remote, nowMs) ?? -1)
  })
}

const internalArbitrary = fc.constantFrom(...INTERNAL)
const remoteArbitrary = fc.constantFrom(...REMOTES)
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('out' as const), internal: internalArbitrary, remote: remoteArbitrary }),
  fc.record({
    kind: fc.constant('in' as const),
    internal: internalArbitrary,
    seenBy: remoteArbitrary,
    remote: remoteArbitrary,
  }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(10_000, 30_000, 59_000) }),
)

const BEHAVIORS: readonly Dependence[] = [
  'endpoint-independent',
  'address-dependent',
  'address-and-port-dependent',
]

for (const mapping of BEHAVIORS) {
  for (const filtering of BEHAVIORS) {
    test(`whatever is sent, a NAT with ${mapping} mapping and ${filtering} filtering does what RFC 4787 says`, (t) => {
      const property = fc.property(fc.nat(), fc.array(stepArbitrary, { maxLength: 40 }), (seed, steps) =>
        obeysOracle(mapping, filtering, seed, steps),
      )
      t.notThrows(() => fc.assert(property, { numRuns: 150 }))
    })
  }
}
