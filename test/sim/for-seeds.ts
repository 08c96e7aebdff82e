/** Set to one seed to run only that, after a failure that printed it. */
const SEED_VARIABLE = 'P2P_REACH_SEED'

/**
 * Runs a scenario once per seed, 1 to `count`. What it throws comes out with the seed in its message, and the seed goes
 * to stderr too, since a failed assertion is reported by the test runner in its own words.
 */
export function forSeeds(count: number, scenario: (seed: number) => void): void {
  for (const seed of seeds(count)) {
    try {
      scenario(seed)
    } catch (error) {
      throw withSeed(seed, error)
    }
  }
}

/** As {@link forSeeds}, for scenarios that await; one after the other. */
export async function forSeedsAsync(count: number, scenario: (seed: number) => Promise<void>): Promise<void> {
  for (const seed of seeds(count)) {
    try {
      await scenario(seed)
    } catch (error) {
      throw withSeed(seed, error)
    }
  }
}

function seeds(count: number): number[] {
  const chosen = process.env[SEED_VARIABLE]
  return chosen === undefined ? Array.from({ length: count }, (_, i) => i + 1) : [Number(chosen)]
}

function withSeed(seed: number, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`seed ${seed} failed; run it alone with ${SEED_VARIABLE}=${seed}\n`)
  return new Error(`seed ${seed}: ${message}`, { cause: error })
}
