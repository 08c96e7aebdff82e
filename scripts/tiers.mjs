/**
 * The tiers of the tests, which run one after the other in this order: cheap and telling first. With `--lanes` only those of
 * one lane do, and lanes run beside each other, for most tests wait for something. What waits for nothing, and knows no
 * real time, runs `behind`: with the lowest priority, in the processor time that the others leave.
 *
 * `concurrency` is the number of test files of a tier that run at once on a machine with two cores or more. Few do where
 * they open many sockets or start daemons: neighbours take their processor time, and a starved probe looks like a lossy
 * network. Files of netns take turns besides (test/netns/support/lab-turns.ts).
 */
export const TIERS = [
  { name: 'architecture', lane: 'processes', concurrency: 2, isQuiet: true },
  { name: 'unit', lane: 'behind', concurrency: 2, isQuiet: true },
  { name: 'sim', lane: 'behind', concurrency: 2, isQuiet: true },
  { name: 'compliance', lane: 'processes', concurrency: 2, isQuiet: true },
  { name: 'cli', lane: 'processes', concurrency: 1, isQuiet: true },
  { name: 'loopback', lane: 'processes', concurrency: 1, isQuiet: true },
  { name: 'netns', lane: 'labs', concurrency: 1, isQuiet: false },
  { name: 'interop', lane: 'processes', concurrency: 1, isQuiet: false },
]

/**
 * The tiers to run, out of the names of the folders that hold compiled tests. A folder that is not in the table runs
 * last and one file at a time, so that nobody's tests are forgotten.
 * @param {readonly string[]} folders names below build/test that hold at least one *.test.js
 * @param {readonly string[]} wanted names asked for; all when empty
 */
export function selectTiers(folders, wanted) {
  const known = TIERS.filter((tier) => folders.includes(tier.name))
  const others = folders
    .filter((name) => !TIERS.some((tier) => tier.name === name))
    .sort()
    .map((name) => ({ name, lane: 'processes', concurrency: 1, isQuiet: false }))
  const all = [...known, ...others]
  return wanted.length === 0 ? all : all.filter((tier) => wanted.includes(tier.name))
}

/**
 * The tiers of each lane.
 * @template {{ readonly lane: string }} Tier
 * @param {readonly Tier[]} tiers
 * @returns {Tier[][]}
 */
export function lanesOf(tiers) {
  const lanes = new Map()
  for (const tier of tiers) lanes.set(tier.lane, [...(lanes.get(tier.lane) ?? []), tier])
  return [...lanes.values()]
}
