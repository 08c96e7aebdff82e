import test from 'ava'
import type { ExecutionContext } from 'ava'
import { Candidate, Connection } from 'werift-ice'
import type { IceRole } from '../../lib/protocol/ice/candidate-pair.ts'
import { OurIce } from './support/our-ice.ts'
import type { RemoteAgent } from './support/our-ice.ts'

/* werift-ice is the ICE of a WebRTC stack in TypeScript. It nominates aggressively, as RFC 5245 had it: each check does. */

async function theirs(t: ExecutionContext, isControlling: boolean): Promise<Connection> {
  // Loopback alone: it would gather every interface, and ask a public STUN server.
  const connection = new Connection(isControlling, {
    useIpv4: false,
    useIpv6: false,
    additionalHostAddresses: ['127.0.0.1'],
  })
  delete connection.stunServer
  t.teardown(() => connection.close())
  await connection.gatherCandidates()
  return connection
}

function toldBy(connection: Connection): RemoteAgent {
  return {
    ufrag: connection.localUsername,
    password: connection.localPassword,
    candidates: connection.localCandidates.map((candidate) => `candidate:${candidate.toSdp()}`),
  }
}

async function introduce(
  connection: Connection,
  { ufrag, password, candidates }: RemoteAgent,
): Promise<void> {
  connection.setRemoteParams({ iceLite: false, usernameFragment: ufrag, password })
  for (const line of candidates) {
    await connection.addRemoteCandidate(Candidate.fromSdp(line.replace(/^candidate:/, '')))
  }
  await connection.addRemoteCandidate(undefined)
}

/** Both know each other; settles when both have chosen a pair. */
async function connect(ours: OurIce, connection: Connection): Promise<void> {
  const told = toldBy(connection)
  await introduce(connection, ours.told)
  const connected = connection.connect()
  ours.meet(told)
  await Promise.all([connected, ours.until(() => ours.agent.selected !== undefined)])
}

async function exchange(t: ExecutionContext, ours: OurIce, connection: Connection): Promise<void> {
  const [answer] = await Promise.all([
    connection.onData.asPromise(),
    Promise.resolve().then(() => ours.send('from us')),
  ])
  t.is(answer[0].toString(), 'from us')
  await connection.send(Buffer.from('from them'))
  await ours.until(() => ours.data.includes('from them'))
  ours.data.length = 0
}

const OTHER: Readonly<Record<IceRole, IceRole>> = { controlling: 'controlled', controlled: 'controlling' }

for (const role of ['controlling', 'controlled'] as const) {
  test.serial(`we are ${role}: both nominate one pair, data goes both ways`, async (t) => {
    const connection = await theirs(t, role === 'controlled')
    using ours = await OurIce.open(role)
    await connect(ours, connection)
    t.deepEqual(ours.kinds, ['pair-succeeded', 'nominated'])
    t.is(connection.nominated?.remoteCandidate.host, '127.0.0.1')
    t.is(ours.agent.selected?.remote.address.port, connection.nominated?.localCandidate.port)
    await exchange(t, ours, connection)
  })

  test.serial(
    `both are ${role}: one changes its role, and data goes both ways (RFC 8445 §7.3.1.1)`,
    async (t) => {
      const connection = await theirs(t, role === 'controlling')
      using ours = await OurIce.open(role)
      await connect(ours, connection)
      t.is(ours.agent.role === 'controlling', !connection.iceControlling)
      t.is(ours.kinds.includes('role-changed'), ours.agent.role === OTHER[role])
      await exchange(t, ours, connection)
    },
  )
}

test.serial('each gives the other consent, and data still flows (RFC 7675)', async (t) => {
  const connection = await theirs(t, false)
  using ours = await OurIce.open('controlling')
  await connect(ours, connection)
  const { checksSent, checksReceived } = ours.agent.counters
  const answers = connection.nominated?.responsesReceived ?? 0
  // A check of theirs and one of ours, each 4 to 6 s after the last.
  await ours.until(
    () =>
      ours.agent.counters.checksSent > checksSent &&
      ours.agent.counters.checksReceived > checksReceived &&
      (connection.nominated?.responsesReceived ?? 0) > answers,
  )
  t.not(ours.agent.selected, undefined)
  t.is(connection.state, 'connected')
  await exchange(t, ours, connection)
})

for (const role of ['controlling', 'controlled'] as const) {
  test.serial(
    `after a restart of both, with us ${role}, new credentials connect (RFC 8445 §9)`,
    async (t) => {
      const connection = await theirs(t, role === 'controlled')
      using ours = await OurIce.open(role)
      await connect(ours, connection)
      const before = connection.localUsername
      await connection.restart()
      await connection.gatherCandidates()
      ours.restart()
      t.not(connection.localUsername, before)
      await connect(ours, connection)
      t.is(ours.kinds.filter((kind) => kind === 'nominated').length, 2)
      await exchange(t, ours, connection)
    },
  )
}
