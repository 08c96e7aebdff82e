import { createSocket } from 'node:dgram'
import type { RemoteInfo } from 'node:dgram'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { decode, encode } from 'dns-packet'
import { freePortPair } from '../loopback/relay-support/relay.ts'
import { RunningProgram } from '../netns/support/running-program.ts'
import { run, start } from './support/command-line.ts'
import { aNetwork } from './support/member-network.ts'
import type { MemberNetwork } from './support/member-network.ts'

/* `expose --udp` and `connect --udp` as two people run them: a name server of one is asked through a port of the other. */

/** A name server that knows one text, long enough that no small datagram holds it. */
async function nameServer(
  t: ExecutionContext,
): Promise<{ readonly port: number; readonly asked: Set<number> }> {
  const socket = createSocket('udp4')
  t.teardown(() => socket.close())
  const asked = new Set<number>()
  socket.on('message', (bytes: Buffer, from: RemoteInfo) => {
    const query = decode(bytes)
    asked.add(from.port)
    const answers = (query.questions ?? []).map(({ name }) => ({
      ...{ type: 'TXT' as const, name, ttl: 60, data: Array.from({ length: 4 }, () => name.repeat(10)) },
    }))
    const answer = encode({ type: 'response', id: query.id ?? 0, questions: query.questions ?? [], answers })
    socket.send(answer, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { port: socket.address().port, asked }
}

function stays(t: ExecutionContext, home: string, ...argv: readonly string[]): RunningProgram {
  const program = new RunningProgram(start([...argv, '--home', home]))
  t.teardown(() => program.stop('SIGKILL'))
  return program
}

async function ready(program: RunningProgram): Promise<Readonly<Record<string, unknown>>> {
  const [line] = await program.waitForLine(/^.*"event":"ready".*$/)
  return JSON.parse(line) as Readonly<Record<string, unknown>>
}

async function ask(local: unknown, name: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 2000, tries: 5 })
  resolver.setServers([String(local)])
  const [chunks] = await resolver.resolveTxt(name)
  return chunks ?? []
}

async function exposing(
  t: ExecutionContext,
  { folder }: MemberNetwork,
  ...argv: readonly string[]
): Promise<RunningProgram> {
  const alice = stays(t, join(folder, 'alice'), 'expose', ...argv, '--json')
  await ready(alice)
  return alice
}

test.serial('a name server is asked through it, each question by a flow of its own', async (t) => {
  const network = await aNetwork(t)
  const server = await nameServer(t)
  const alice = stays(
    t,
    join(network.folder, 'alice'),
    'expose',
    String(server.port),
    '--udp',
    '--as',
    'dns',
    '--json',
  )
  t.like(await ready(alice), {
    service: 'alice/dns',
    target: `udp:127.0.0.1:${server.port}`,
    transport: 'udp',
  })
  const bob = stays(
    t,
    join(network.folder, 'bob'),
    'connect',
    'alice/dns',
    '--udp',
    '--idle',
    '30s',
    '--json',
  )
  const { local, transport } = await ready(bob)
  t.is(transport, 'udp')
  const names = Array.from({ length: 10 }, (_, at) => `name-${at}.example`)
  const answers = await Promise.all(names.map((name) => ask(local, name)))
  for (const [at, name] of names.entries())
    t.deepEqual(
      answers[at],
      Array.from({ length: 4 }, () => name.repeat(10)),
    )
  t.is(server.asked.size, 10)
  await bob.waitForLine(/"event":"path","peer":"alice"/)
  for (const program of [bob, alice]) {
    t.deepEqual(await program.stop('SIGINT'), { code: 0, signal: undefined }, program.stderr)
    t.is(program.stderr, '')
  }
})

test.serial(
  'one name for TCP and UDP, in one process; each is refused where the other is meant',
  async (t) => {
    const network = await aNetwork(t)
    const server = await nameServer(t)
    const tcp = createServer((socket) => socket.end('over TCP')).listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    t.teardown(() => tcp.close())
    const address = tcp.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    const both = [String(port), `udp:${server.port}`, `udp:127.0.0.1:${server.port}`]
    await exposing(t, network, ...both, '--as', 'dns', '--as', 'dns', '--as', 'only-udp')
    const home = join(network.folder, 'bob')
    const stream = await run(['connect', 'alice/dns', '-', '--home', home])
    t.is(stream.stdout, 'over TCP', stream.stderr)
    const local = await freePortPair(['127.0.0.1'])
    const bob = stays(t, home, 'connect', 'alice/dns', `udp:${local}`, '--json')
    t.is((await ready(bob))['local'], `127.0.0.1:${local}`)
    t.deepEqual(
      await ask(`127.0.0.1:${local}`, 'x.example'),
      Array.from({ length: 4 }, () => 'x.example'.repeat(10)),
    )
    const refused = await run(['connect', 'alice/only-udp', '-', '--home', home])
    t.is(refused.code, 1)
    t.regex(refused.stderr, /alice exposes only-udp for another transport/)
    t.regex(refused.stderr, /hint: use --udp on both sides/)
  },
)

test.serial('expose says what to type on the other side', async (t) => {
  const { folder } = await aNetwork(t)
  const child = start(['expose', '53', '--udp', '--as', 'dns', '--home', join(folder, 'alice')])
  const program = new RunningProgram(child)
  t.teardown(() => program.stop('SIGKILL'))
  while (!program.stderr.includes('on another member')) await once(child.stderr, 'data')
  t.true(program.stderr.includes('alice/dns leads to udp:127.0.0.1:53, for every member of the network\n'))
  t.true(program.stderr.includes('on another member:  p2p-reach connect alice/dns 8053 --udp\n'))
})

test('what can’t carry datagrams is a mistake with a hint', async (t) => {
  const mistakes = [
    ['connect', 'alice/dns', '-', '--udp'],
    ['connect', 'alice/dns', 'unix:/tmp/x.sock', '--udp'],
    ['connect', 'alice/dns', '5000', '--udp', '--idle', '0s'],
    ['connect', 'alice/dns', '5000', '--udp', '--idle', 'long'],
    ['expose', 'unix:/tmp/x.sock', '--udp'],
  ]
  for (const argv of mistakes) {
    const { stdout, stderr, code } = await run([...argv, '--home', '/nonexistent'])
    t.is(stdout, '')
    t.is(code, 2, stderr)
    t.regex(stderr, /^p2p-reach: error: [^\n]+\np2p-reach: hint: [^\n]+\n$/)
  }
})
