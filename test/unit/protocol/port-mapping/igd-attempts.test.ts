import test from 'ava'
import fc from 'fast-check'
import { IgdAttempts, MAX_ATTEMPTS } from '../../../../lib/protocol/port-mapping/igd-attempts.ts'
import type { AttemptOptions } from '../../../../lib/protocol/port-mapping/igd-attempts.ts'

/** The ways of asking as one faults after the other, until the last is the answer. */
function asked(options: Partial<AttemptOptions>, ...faults: readonly number[]): readonly string[] {
  let port = 50_000
  const attempts = new IgdAttempts({
    version: 1,
    internalPort: 4000,
    wantedPort: undefined,
    acceptsOtherPort: true,
    lifetimeS: 600,
    randomPort: () => port++,
    ...options,
  })
  const ways = [attempts.current, ...faults.map((code) => attempts.afterFault(code))]
  return ways.map((way) =>
    way === undefined
      ? 'refused'
      : `${way.action === 'AddPortMapping' ? '' : 'any '}${way.externalPort} ${way.lifetimeS}`,
  )
}

test('the internal port first, then others, where any will do', (t) => {
  t.deepEqual(asked({}, 718, 729), ['4000 600', '50000 600', '50001 600'])
  t.deepEqual(asked({ wantedPort: 80 }, 718), ['80 600', '50000 600'])
  t.deepEqual(asked({ wantedPort: 80, acceptsOtherPort: false }, 718), ['80 600', 'refused'])
})

test('version 2 is asked for any port, unless it must be one', (t) => {
  t.deepEqual(asked({ version: 2 }, 401), ['any 4000 600', '4000 600'])
  t.deepEqual(asked({ version: 2 }, 606, 606), ['any 4000 600', '4000 600', 'refused'])
  t.deepEqual(asked({ version: 2, wantedPort: 80, acceptsOtherPort: false }), ['80 600'])
})

test('permanent mappings where leases are unknown, whatever the router calls it', (t) => {
  t.deepEqual(asked({}, 725, 725), ['4000 600', '4000 0', 'refused'])
  t.deepEqual(asked({}, 402, 402), ['4000 600', '4000 0', 'refused'])
  t.deepEqual(asked({}, 501, 718), ['4000 600', '4000 0', '50000 0'])
  t.deepEqual(asked({ version: 2 }, 725), ['any 4000 600', 'any 4000 0'])
})

test('equal ports where they must be (724), once', (t) => {
  t.deepEqual(asked({ wantedPort: 80 }, 724, 724), ['80 600', '4000 600', 'refused'])
  t.deepEqual(asked({}, 724), ['4000 600', 'refused'])
  t.deepEqual(asked({ wantedPort: 80, acceptsOtherPort: false }, 724), ['80 600', 'refused'])
})

test('what no other way of asking changes is refused', (t) => {
  for (const code of [606, 715, 716, 726, 727, 728, 0, -1])
    t.deepEqual(asked({}, code), ['4000 600', 'refused'])
})

test('whatever a router answers, it is asked eight times at most', (t) => {
  const codes = fc.constantFrom(401, 402, 501, 606, 718, 724, 725, 728, 729)
  fc.assert(
    fc.property(
      fc.array(codes, { minLength: 20, maxLength: 20 }),
      fc.boolean(),
      fc.constantFrom(1, 2),
      (faults, acceptsOtherPort, version) => {
        const attempts = new IgdAttempts({
          version,
          internalPort: 4000,
          wantedPort: 80,
          acceptsOtherPort,
          lifetimeS: 600,
          randomPort: () => 50_000,
        })
        let count = 1
        for (const code of faults) {
          if (attempts.afterFault(code) === undefined) break
          count++
        }
        return count <= MAX_ATTEMPTS
      },
    ),
  )
  t.is(
    asked({}, ...Array.from({ length: 20 }, () => 718)).filter((way) => way !== 'refused').length,
    MAX_ATTEMPTS,
  )
})
