import { once } from 'node:events'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import type { IceCredentials } from '../../lib/protocol/ice/connectivity-check.ts'
import type { LanDoorName } from '../../lib/protocol/mdns/lan-service.ts'
import { lanCredentials } from '../../lib/protocol/mdns/lan-service.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import type { TcpPath } from '../../lib/punch/tcp-attempt.ts'
import { TcpAttempt } from '../../lib/punch/tcp-attempt.ts'
import { TcpDoor } from '../../lib/punch/tcp-door.ts'
import { TcpListener } from '../../lib/punch/tcp-listener.ts'

/* Who knocks at a peer's door on the LAN has to know its network and PeerId. */

const runtime = nodeRuntime()
const INSTANCE = '0123456789abcdef'
const DOOR: LanDoorName = {
  network: 'ab'.repeat(32),
  peerId: generateKeyPair().peerId,
  instance: INSTANCE,
}

async function openDoor(t: ExecutionContext) {
  const listener = await TcpListener.open(runtime, 'ipv4', { ip: '127.0.0.1' })
  const entered: TcpPath[] = []
  const door = new TcpDoor({
    ...{ runtime, listeners: [listener], ufrag: INSTANCE },
    credentialsOf: (ufrag) => lanCredentials(DOOR, ufrag),
    onConnection: (path) => entered.push(path),
  })
  t.teardown(async () => {
    door[Symbol.dispose]()
    await listener.close()
  })
  return { listener, entered, door }
}

function knock(t: ExecutionContext, { local }: TcpListener, name: LanDoorName, mine = 'fedcba9876543210') {
  const credentials = (ufrag: string): IceCredentials => lanCredentials(name, ufrag)
  const attempt = new TcpAttempt({
    ...{ runtime, role: 'controlling', stunServers: [], signallingRttMs: 0 },
    ...{ localCredentials: credentials(mine), remoteCredentials: credentials(INSTANCE) },
    maySendTo: () => true,
    signal: () => undefined,
  })
  t.teardown(() => attempt.close())
  attempt.dial(transportAddress('127.0.0.1', local.port, 'tcp'))
  return attempt
}

test('who knows the secret gets in, and the bytes behind the checks are whole', async (t) => {
  const { listener, entered } = await openDoor(t)
  const path = await knock(t, listener, DOOR).result
  t.is(path?.remote.port, listener.local.port)
  path?.socket.end('hello')
  while (entered.length === 0) await new Promise(setImmediate)
  const [other] = entered
  t.is(Buffer.concat((await other?.socket.toArray()) as Buffer[]).toString(), 'hello')
  other?.socket.destroy()
})

for (const [what, wrong] of [
  ['the PeerId', { peerId: generateKeyPair().peerId }],
  ['the network', { network: 'cd'.repeat(32) }],
  ['the instance', { instance: 'f'.repeat(16) }],
] as const) {
  test(`who is wrong about ${what} does not get in, and hears nothing`, async (t) => {
    const { listener, entered } = await openDoor(t)
    const attempt = knock(t, listener, { ...DOOR, ...wrong })
    while (attempt.counters.forged + listener.counters.garbage === 0 && listener.connectionCount === 0)
      await new Promise(setImmediate)
    while (listener.connectionCount > 0) await new Promise(setImmediate)
    t.is(entered.length, 0)
    attempt.close()
    t.is(await attempt.result, undefined)
  })
}

test('what is no check is not answered, and a door that was closed opens to nobody', async (t) => {
  const { listener, entered, door } = await openDoor(t)
  const stranger = await runtime.network.connectTcp(listener.local)
  const heard: unknown[] = []
  stranger.on('data', (chunk) => heard.push(chunk))
  const over = once(stranger, 'end')
  stranger.write('GET / HTTP/1.1\r\n\r\n')
  await over
  stranger.destroy()
  t.deepEqual([heard, listener.counters.garbage], [[], 1])
  door[Symbol.dispose]()
  const attempt = knock(t, listener, DOOR)
  while (listener.counters.garbage < 2) await new Promise(setImmediate)
  t.is(entered.length, 0)
  attempt.close()
})
