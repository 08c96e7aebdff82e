import type { ExecutionContext } from 'ava'
import type { SiteKind } from '../../cli/demo/lab/site-kinds.ts'
import { SITE_RECIPES } from '../../cli/demo/lab/site-kinds.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import type { Station } from './support/relayed-network.ts'
import { memberNetwork } from './support/relayed-network.ts'

/* `p2p-reach peers` says what to expect of two networks, from what both have measured. */

interface ListedPeer {
  readonly name: string
  readonly nat: Readonly<Record<string, unknown>> | null
  readonly prediction: { readonly result: string; readonly why: string } | null
}

/** Alice, once she has said what her network is like. */
async function listed(t: ExecutionContext, at: Station): Promise<ListedPeer> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const { stdout, stderr } = await at.run('peers', '--json')
    const { peers } = JSON.parse(stdout) as { readonly peers: readonly ListedPeer[] }
    const alice = peers.find(({ name }) => name === 'alice')
    if (alice === undefined) throw new Error(stderr)
    if (alice.nat !== null) return alice
  }
  return t.fail('alice says nothing of her network')
}

const CASES: readonly (readonly [SiteKind, SiteKind, string, RegExp])[] = [
  ['port-preserving', 'port-preserving', 'direct', /direct likely: both sides keep one public port/],
  [
    'fully-random',
    'port-preserving',
    'direct-birthday',
    /direct likely, after a search: the public port varies/,
  ],
  ['fully-random', 'fully-random', 'relay', /relay: both public ports vary/],
]

for (const [one, other, result, line] of CASES) {
  busyNetnsTest(`peers: ${one} × ${other} is expected to be ${result}`, async (t, lab) => {
    const sites = [SITE_RECIPES[one], SITE_RECIPES[other]] as const
    const { alice, bob } = await memberNetwork(t, lab, { sites })
    const exposing = alice.start('expose', '9000', '--as', 'files')
    await exposing.waitForLine(/"event":"ready"/)
    const peer = await listed(t, bob)
    t.is(peer.prediction?.result, result)
    t.notRegex(JSON.stringify(peer), /\d+\.\d+\.\d+\.\d+/, 'no address is told')
    t.regex((await bob.run('peers')).stdout, line)
    await exposing.stop('SIGINT')
  })
}

busyNetnsTest('peers: who uses relays alone says nothing of its network', async (t, lab) => {
  const sites = [SITE_RECIPES['port-preserving'], SITE_RECIPES['port-preserving']] as const
  const { alice, bob } = await memberNetwork(t, lab, { sites })
  const exposing = alice.start('expose', '9000', '--as', 'files', '--relay-only')
  await exposing.waitForLine(/"event":"ready"/)
  const { stdout } = await bob.run('peers', '--json')
  const { peers } = JSON.parse(stdout) as { readonly peers: readonly ListedPeer[] }
  t.like(peers[0], { name: 'alice', nat: null, prediction: null })
  await exposing.stop('SIGINT')
})
