import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import type { RelayedNetwork, Station } from './support/relayed-network.ts'
import { relayedNetwork } from './support/relayed-network.ts'
import { folderOf } from './support/test-folder.ts'

/*
 * UDP between two members that can only dial out over TCP, through a relay: programs that others wrote at both ends, which
 * know nothing of it.
 */

const PORT = 7000

interface JoinedNetwork extends RelayedNetwork {
  /** What both sides have told: for when a test fails. */
  readonly said: () => string
}

/** Alice exposes a port of UDP, bob has it at home. */
async function joined(t: ExecutionContext, lab: NetnsLab): Promise<JoinedNetwork> {
  const network = await relayedNetwork(t, lab)
  const exposing = network.alice.start('expose', String(PORT), '--udp', '--as', 'udp', '--relay-only')
  await exposing.waitForLine(/"event":"ready","service":"alice\/udp","target":"udp:127\.0\.0\.1:7000"/)
  const connecting = network.bob.start('connect', 'alice/udp', String(PORT), '--udp', '--relay-only')
  await connecting.waitForLine(/"event":"ready"/)
  await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"relay"/)
  const said = () => [...exposing.lines, ...connecting.lines].join('\n')
  return { ...network, said }
}

async function listensUdp(station: Station): Promise<void> {
  const { code } = await station.shell(
    `for i in $(seq 100); do ss -Hlun 'sport = :${PORT}' | grep -q . && exit 0; sleep 0.1; done; exit 1`,
  )
  if (code !== 0) throw new Error('nothing listens')
}

/** Gives back each datagram, to a process of its own for each sender. */
async function socatEcho(alice: Station): Promise<void> {
  alice.startShell(`exec socat -b 65507 UDP4-LISTEN:${PORT},bind=127.0.0.1,reuseaddr,fork PIPE`)
  await listensUdp(alice)
}

/** Sends a file as one datagram until it comes back; answers the hashes of both. */
async function sendWhole(bob: Station, file: string): Promise<readonly string[]> {
  const once = `socat -b 65507 -t 2 - UDP4:127.0.0.1:${PORT} < ${file} > ${file}.back`
  const line = `for i in $(seq 10); do ${once}; cmp -s ${file} ${file}.back && break; done; sha256sum ${file} ${file}.back`
  const { stdout } = await bob.shell(line)
  return stdout
    .trim()
    .split('\n')
    .map((hashed) => hashed.slice(0, 64))
}

busyNetnsTest(
  'socat gets its datagrams back whole, small and large, also after the relay was killed',
  async (t, lab) => {
    const { alice, bob, relays, said } = await joined(t, lab)
    await socatEcho(alice)
    const folder = await folderOf(t)
    for (const length of [1, 1200, 1472, 9000, 65_507]) {
      const file = join(folder, String(length))
      await bob.shell(`head -c ${length} /dev/urandom > ${file}`)
      const [sent, back] = await sendWhole(bob, file)
      t.regex(sent ?? '', /^[0-9a-f]{64}$/)
      t.is(back, sent, `${length} bytes\n${said()}`)
    }
    const [relay] = relays
    await relay?.program.stop('SIGKILL')
    await relay?.start()
    const [sent, back] = await sendWhole(bob, join(folder, '1472'))
    t.is(back, sent, said())
  },
)

busyNetnsTest('openssl speaks DTLS through it', async (t, lab) => {
  const { alice, bob } = await joined(t, lab)
  const folder = await folderOf(t)
  const key = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=alice -keyout ${folder}/key -out ${folder}/cert`
  t.is((await alice.shell(key)).code, 0)
  const server = alice.startShell(
    `exec openssl s_server -dtls -accept 127.0.0.1:${PORT} -cert ${folder}/cert -key ${folder}/key -quiet`,
  )
  await listensUdp(alice)
  const client = bob.startShell(
    `exec openssl s_client -dtls -connect 127.0.0.1:${PORT} -CAfile ${folder}/cert -verify_return_error -quiet`,
  )
  client.say('from bob')
  await server.waitForLine(/^from bob$/)
  server.say('from alice')
  await client.waitForLine(/^from alice$/)
  await Promise.all([client.stop('SIGKILL'), server.stop('SIGKILL')])
})
