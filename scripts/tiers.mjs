/**
 * The tiers of the tests, in the order in which they run: cheap and telling first. `concurrency` is the number of test
 * files that run at once on a machine with two cores or more. Files that open many sockets or start daemons run one by
 * one: neighbours would take their processor time, and a starved probe looks like a lossy network.
 */
export const TIERS = [
  { name: 'architecture', concurrency: 2, isQuiet: true },
  { name: 'unit', concurrency: 2, isQuiet: true },
  { name: 'sim', concurrency: 2, isQuiet: true },
  { name: 'compliance', concurrency: 2, isQuiet: true },
  { name: 'loopback', concurrency: 1, isQuiet: true },
  { name: 'cli', concurrency: 1, isQuiet: true },
  { name: 'netns', concurrency: 1, isQuiet: false },
  { name: 'interop', concurrency: 1, isQuiet: false },
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
    .map((name) => ({ name, concurrency: 1, isQuiet: false }))
  const all = [...known, ...others]
  return wanted.length === 0 ? all : all.filter((tier) => wanted.includes(tier.name))
}
