import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import anyTest from 'ava'
import { run } from '../cli/support/command-line.ts'
import { newKey } from '../support/sshd.ts'
import {
  SshClient,
  connected,
  enrol,
  exposing,
  hashOf,
  knowAnother,
  reaching,
  relayWithSsh,
  serviceOf,
  sha256,
} from './support/relay-with-ssh.ts'

/* OpenSSH's clients as Debian has them, and our relay as the command line starts it. */

const canRun = existsSync('/usr/bin/ssh') && existsSync('/usr/bin/ssh-keygen')
if (!canRun) console.warn('interop tests with ssh are skipped: they need openssh-client')
const test = canRun ? anyTest.serial : anyTest.skip

const MANY = 64 * 1024 * 1024

const echo = (socket: Socket) => void socket.pipe(socket)

test('64 MiB go each way between ssh -R and ssh -L, and the end of one direction leaves the other open', async (t) => {
  const relay = await relayWithSsh(t)
  const [sent, answered] = [randomBytes(MANY), randomBytes(MANY)]
  let received = ''
  const port = await serviceOf(t, (socket) => {
    // Only when all is here does the answer begin.
    void hashOf(socket.iterator({ destroyOnReturn: false })).then((hash) => {
      received = hash
      socket.end(answered)
    })
  })
  await exposing(t, relay, 'web1', `web:80:127.0.0.1:${port}`)
  const socket = await connected(t, await reaching(t, relay, 'bob', 'web:80'))
  socket.end(sent)
  t.is(await hashOf(socket), sha256(answered))
  t.is(received, sha256(sent))
})

test('ssh -W reaches a service by each of its names', async (t) => {
  const relay = await relayWithSsh(t)
  const port = await serviceOf(t, echo)
  await exposing(t, relay, 'web1', `web:80:127.0.0.1:${port}`)
  await exposing(t, relay, 'web1', `81:127.0.0.1:${port}`)
  for (const target of ['web:80', 'web.web1:80', '[web1/web]:80', 'web1:81']) {
    const client = new SshClient(t, relay, 'bob', ['-W', target])
    client.stdin.end('hello')
    t.is(await hashOf(client.stdout), sha256('hello'), `${target}: ${client.said}`)
    t.regex(client.said, /whoever runs it can read what you forward/)
  }
})

for (const [title, target, expected] of [
  ['of a service that nobody exposes', 'db:80', /connect failed: nobody exposes db now/],
  ['of another port', 'web:81', /connect failed: there is web\.web1:80, and not port 81/],
  ['of somebody unknown', 'web.eve:80', /connect failed: nobody in this network is called eve/],
  ['of a member', 'relay:80', /administratively prohibited: relay is a member/],
  ['whose target is down', 'down:80', /connect failed: web1 says: /],
] as const) {
  test(`ssh is told why a channel is refused: one ${title}`, async (t) => {
    const relay = await relayWithSsh(t)
    const port = await serviceOf(t, echo)
    const client = new SshClient(t, relay, 'web1', [
      ...['-N', '-R', `web:80:127.0.0.1:${port}`, '-R', 'down:80:127.0.0.1:1'],
    ])
    await client.says(/remote forward success[^]*remote forward success/)
    const caller = new SshClient(t, relay, 'bob', ['-W', target])
    t.not(await caller.ended, 0)
    t.regex(caller.said, expected)
  })
}

test('who is not allowed by the key that exposes is refused, and who may only reach exposes nothing', async (t) => {
  const relay = await relayWithSsh(t)
  await enrol(t, relay.home, relay.folder, 'db1', ['--allow', 'web1', '--only', 'expose'])
  await enrol(t, relay.home, relay.folder, 'reader', ['--only', 'reach'])
  const port = await serviceOf(t, echo)
  await exposing(t, relay, 'db1', `db:5432:127.0.0.1:${port}`)
  const refused = new SshClient(t, relay, 'bob', ['-W', 'db.db1:5432'])
  t.not(await refused.ended, 0)
  t.regex(refused.said, /administratively prohibited: db1 does not let bob in/)
  const allowed = new SshClient(t, relay, 'web1', ['-W', 'db.db1:5432'])
  allowed.stdin.end('hello')
  t.is(await hashOf(allowed.stdout), sha256('hello'), allowed.said)
  const reader = new SshClient(t, relay, 'reader', ['-N', '-R', `web:80:127.0.0.1:${port}`])
  t.not(await reader.ended, 0)
  t.regex(reader.said, /remote port forwarding failed/)
})

test('unix sockets and shells are refused in words', async (t) => {
  const relay = await relayWithSsh(t)
  const local = join(relay.folder, 'local.sock')
  const socket = new SshClient(t, relay, 'bob', ['-N', '-L', `${local}:/run/x.sock`])
  const shell = new SshClient(t, relay, 'bob', [])
  shell.stdin.end()
  const remote = new SshClient(t, relay, 'bob', ['-N', '-R', `${relay.folder}/x.sock:127.0.0.1:1`])
  await socket.says(/Entering interactive session/)
  const caller = connect(local).on('error', () => undefined)
  t.teardown(() => caller.destroy())
  await socket.says(/unknown channel type: the relay forwards no unix sockets/)
  t.is(await shell.ended, 1)
  t.regex(shell.said, /There is no shell here/)
  t.not(await remote.ended, 0)
  t.regex(remote.said, /forwarding failed/)
})

test('a key that is not enrolled is refused', async (t) => {
  const relay = await relayWithSsh(t)
  newKey(relay.folder, 'eve')
  const client = new SshClient(t, relay, 'eve', ['-W', 'web:80'])
  t.is(await client.ended, 255)
  t.regex(client.said, /Permission denied \(publickey\)/)
})

test('a revoked key loses its live connection, and logs in no more', async (t) => {
  const relay = await relayWithSsh(t)
  const port = await serviceOf(t, echo)
  const owner = await exposing(t, relay, 'web1', `web:80:127.0.0.1:${port}`)
  const socket = await connected(t, await reaching(t, relay, 'bob', 'web:80'))
  socket.write('x')
  await once(socket, 'data')
  const cut = Promise.all([owner.ended, once(socket, 'end')])
  socket.resume()
  const { code, stderr } = await run(['relay', 'ssh-key', 'revoke', 'web1', '--home', relay.home])
  t.is(code, 0, stderr)
  await cut
  const again = new SshClient(t, relay, 'web1', ['-W', 'web:80'])
  t.is(await again.ended, 255)
  t.regex(again.said, /Permission denied/)
  const audit = await readFile(join(relay.home, 'authority', 'audit.log'), 'utf8')
  t.regex(audit, /"event":"ssh key revoked","name":"web1"/)
})

test('ssh refuses a relay whose host key has changed, and knows the right one by its fingerprint', async (t) => {
  const relay = await relayWithSsh(t)
  const other = newKey(relay.folder, 'other-host')
  await knowAnother(relay, (await readFile(`${other}.pub`, 'utf8')).trim())
  const client = new SshClient(t, relay, 'bob', ['-W', 'web:80'])
  t.is(await client.ended, 255)
  t.regex(client.said, /REMOTE HOST IDENTIFICATION HAS CHANGED/)
  t.true(client.said.includes(relay.hostKey))
})

test('after a restart of the relay everything is as before: host key, keys, and who exposes again', async (t) => {
  const relay = await relayWithSsh(t)
  const port = await serviceOf(t, echo)
  const before = await exposing(t, relay, 'web1', `web:80:127.0.0.1:${port}`)
  await relay.restart()
  await before.ended
  await exposing(t, relay, 'web1', `web:80:127.0.0.1:${port}`)
  const client = new SshClient(t, relay, 'bob', ['-W', 'web:80'])
  client.stdin.end('hello')
  t.is(await hashOf(client.stdout), sha256('hello'), client.said)
})

test('200 channels at once carry each their own', async (t) => {
  const relay = await relayWithSsh(t)
  const port = await serviceOf(t, echo)
  await exposing(t, relay, 'web1', `web:80:127.0.0.1:${port}`)
  const local = await reaching(t, relay, 'bob', 'web:80')
  const sockets = await Promise.all(Array.from({ length: 200 }, () => connected(t, local)))
  const first = sockets.map((socket) => once(socket, 'data'))
  for (const socket of sockets) socket.write('!')
  await Promise.all(first) // all are open now
  const own = sockets.map(() => randomBytes(32 * 1024))
  const hashes = sockets.map((socket) => hashOf(socket))
  sockets.forEach((socket, index) => socket.end(own[index] ?? ''))
  t.deepEqual(await Promise.all(hashes), own.map(sha256))
})

test('a channel whose reader stops holds up no other one, and loses nothing', async (t) => {
  const relay = await relayWithSsh(t)
  const content = randomBytes(MANY)
  const big = await serviceOf(t, (socket) => void socket.end(content))
  const small = await serviceOf(t, echo)
  const owner = new SshClient(t, relay, 'web1', [
    ...['-N', '-R', `big:80:127.0.0.1:${big}`, '-R', `small:80:127.0.0.1:${small}`],
  ])
  await owner.says(/remote forward success[^]*remote forward success/)
  const stopped = await connected(t, await reaching(t, relay, 'bob', 'big:80'))
  await once(stopped, 'readable') // and nothing is read
  const other = await connected(t, await reaching(t, relay, 'bob', 'small:80'))
  const sent = randomBytes(8 * 1024 * 1024)
  other.end(sent)
  t.is(await hashOf(other), sha256(sent))
  t.is(await hashOf(stopped), sha256(content))
})

for (const [title, bytes] of [
  ['says garbage', Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(64 * 1024)])],
  ['never logs in', Buffer.from('SSH-2.0-slow\r\n')],
  ['says half of its first two bytes', Buffer.from('S')],
] as const) {
  test(`a client that ${title} is closed`, async (t) => {
    const relay = await relayWithSsh(t)
    const socket = await connected(t, relay.port)
    socket.write(bytes)
    socket.resume()
    await once(socket, 'end').catch(() => undefined) // or it is reset
    const client = new SshClient(t, relay, 'bob', ['-W', 'web:80'])
    await client.ended
    t.regex(client.said, /nobody exposes web now/)
  })
}
