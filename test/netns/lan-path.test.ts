import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { MASQUERADE } from './support/mapping-lab.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import type { RelayedNetwork, Station } from './support/relayed-network.ts'
import { joinMembers } from './support/relayed-network.ts'
import { bytesOf, hashOf } from './support/test-bytes.ts'
import { folderOf } from './support/test-folder.ts'

/* Two members on one LAN, as processes of the command line: they reach each other with and without a relay. */

const MIB = 1024 * 1024
const DOWN = bytesOf('down', 8 * MIB)

async function oneLan(t: ExecutionContext, lab: NetnsLab): Promise<RelayedNetwork> {
  const internet = await lab.internet()
  const home = await lab.gateway('home', {
    behind: internet,
    wan: ['203.0.113.50'],
    lan: ['192.168.1.1/24', 'fd12::1/64'],
    nat: MASQUERADE,
  })
  const hosts = [
    await lab.host('alice', { at: home, ips: ['192.168.1.10', 'fd12::10'] }),
    await lab.host('bob', { at: home, ips: ['192.168.1.11', 'fd12::11'] }),
  ] as const
  return joinMembers(t, lab, internet, { relayCount: 1, hosts })
}

async function relaysEnd({ relays }: RelayedNetwork): Promise<void> {
  for (const { program } of relays) await program.stop('SIGKILL')
}

/** Exposes a port of alice that sends bytes. */
async function serve(t: ExecutionContext, alice: Station, ...flags: readonly string[]) {
  const script = join(await folderOf(t), 'serve.sh')
  await writeFile(script, `${DOWN}\n`)
  alice.startShell(`socat -t 30 TCP-LISTEN:9000,bind=127.0.0.1,fork,reuseaddr SYSTEM:'bash ${script}'`)
  await alice.listens(9000)
  const exposing = alice.start('expose', '9000', '--as', 'files', ...flags)
  await exposing.waitForLine(/"event":"ready"/, { timeoutMs: 30_000 })
  return exposing
}

/** Moves the bytes to bob; answers the paths that carried them. */
async function fetched(t: ExecutionContext, { alice, bob }: RelayedNetwork, target: string) {
  const connecting = bob.start('connect', target, '9000')
  await connecting.waitForLine(/"event":"ready"/)
  const { stdout } = await bob.shell('nc -d 127.0.0.1 9000 | sha256sum')
  t.is(stdout.slice(0, 64), await hashOf(t, alice, DOWN))
  const kinds = connecting.lines.flatMap((line) => /"event":"path".*"kind":"([^"]+)"/.exec(line)?.[1] ?? [])
  t.deepEqual(await connecting.stop('SIGINT'), { code: 0, signal: undefined }, connecting.stderr)
  return kinds
}

busyNetnsTest(
  'without any relay, a peer of the LAN is reached by its PeerId, and by its name once it was met',
  async (t, lab) => {
    const network = await oneLan(t, lab)
    const { alice, bob } = network
    const { peerId } = JSON.parse((await alice.run('identity', '--json')).stdout) as { peerId: string }
    await relaysEnd(network)
    const exposing = await serve(t, alice)
    t.deepEqual(new Set(await fetched(t, network, `${peerId}/files`)), new Set(['direct-tcp']))
    t.deepEqual(new Set(await fetched(t, network, 'alice/files')), new Set(['direct-tcp']))
    t.regex(exposing.lines.join('\n'), /"event":"path","peer":"bob".*"kind":"direct-tcp"/)
    t.deepEqual(await exposing.stop('SIGINT'), { code: 0, signal: undefined }, exposing.stderr)
    const gone = await bob.run('ping', 'alice', '--count', '1')
    t.is(gone.code, 3, gone.stdout)
    t.regex(gone.stderr, /relay/)
  },
)

busyNetnsTest('who switches it off is not found without a relay', async (t, lab) => {
  const network = await oneLan(t, lab)
  const { alice, bob } = network
  const { peerId } = JSON.parse((await alice.run('identity', '--json')).stdout) as { peerId: string }
  const exposing = await serve(t, alice, '--no-lan')
  t.is((await bob.run('ping', peerId, '--count', '1')).code, 0)
  await relaysEnd(network)
  const { code, stderr } = await bob.run('ping', peerId, '--count', '1')
  t.is(code, 3, stderr)
  await exposing.stop('SIGINT')
})

busyNetnsTest(
  'a session over the LAN outlives the relay, and one over the relay finds the LAN',
  async (t, lab) => {
    const network = await oneLan(t, lab)
    const { alice, bob } = network
    const exposing = await serve(t, alice)
    const pinging = bob.start('ping', 'alice')
    await pinging.waitForLine(/"event":"pong".*"kind":"direct-tcp"/)
    await relaysEnd(network)
    const from = pinging.lines.length
    await exposing.waitForLine(/"event":"error"/)
    await pinging.waitForLine(/"event":"pong".*"kind":"direct-tcp"/)
    const kinds = pinging.lines
      .slice(from)
      .flatMap((line) => /"event":"pong".*"kind":"([^"]+)"/.exec(line)?.[1] ?? [])
    t.deepEqual([...new Set(kinds)], ['direct-tcp'])
    await pinging.stop('SIGINT')
    await exposing.stop('SIGINT')
  },
)

busyNetnsTest(
  'a stranger on the LAN who connects to the announced port is shown no certificate',
  async (t, lab) => {
    const network = await oneLan(t, lab)
    const { alice, bob } = network
    const exposing = await serve(t, alice)
    const { stdout } = await alice.shell(
      'ss -Hltnp | grep -v 127.0.0.1 | awk \'/node/ { sub(/.*:/, "", $4); print $4 }\' | sort -u',
    )
    const ports = stdout.trim().split('\n')
    t.true(ports.length > 0)
    for (const port of ports) {
      const shown = await bob.shell(
        `timeout 8 openssl s_client -connect 192.168.1.10:${port} </dev/null 2>&1 | grep -c BEGIN`,
      )
      t.is(shown.stdout.trim(), '0')
    }
    await exposing.stop('SIGINT')
  },
)
