import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import anyTest from 'ava'
import type { ExecutionContext } from 'ava'
import { parseSshUrl } from '../../lib/base/ssh-url.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { rendezvousOf } from '../../lib/protocol/ssh/rendezvous.ts'
import { CommandServer } from '../../lib/ssh/command-server.ts'
import { Ssh2Server } from '../../lib/ssh/ssh2-server.ts'
import type { SshServerSetup } from '../../lib/ssh/ssh-options.ts'
import type { SshServer } from '../../lib/ssh/ssh-server.ts'
import type { SshFolder } from '../support/sshd.ts'
import { canRunSshd, fingerprintOf, newKey, sshFolder, startSshd } from '../support/sshd.ts'

/* OpenSSH's server as Debian configures it, on the loopback, with one option changed at a time. */

if (!canRunSshd) console.warn('interop tests with sshd are skipped: they need openssh-server and root')
const test = canRunSshd ? anyTest.serial : anyTest.skip

const never = new AbortController().signal

function serverOf(
  t: ExecutionContext,
  folder: SshFolder,
  port: number,
  more: Partial<SshServerSetup> = {},
  suffix?: string,
): SshServer {
  const server = new Ssh2Server({
    runtime: nodeRuntime(),
    url: parseSshUrl(`ssh://root@127.0.0.1:${port}${suffix ?? `#${folder.fingerprint}`}`),
    identityFiles: [folder.userKey],
    knownHostsFiles: [],
    ...more,
  })
  t.teardown(() => server.close())
  return server
}

/** A member of a network that no other test uses. */
function placeOf(t: ExecutionContext) {
  return rendezvousOf(
    `${createHash('sha256').update(`${t.title} ${process.pid}`).digest('hex').slice(0, 16)}.test`,
    'alice',
  )
}

/** Gives back what it gets, and ends when that ends. */
function echo(stream: Duplex): void {
  stream.pipe(stream)
}

async function firstOf(streams: AsyncGenerator<Duplex, void>): Promise<Duplex> {
  for await (const stream of streams) return stream
  throw new Error('nobody waits there')
}

async function hashOfEcho(stream: Duplex, bytes: Uint8Array): Promise<string> {
  stream.end(bytes)
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk as Uint8Array)
  return hash.digest('hex')
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

for (const [name, options, expected] of [
  ['as Debian configures it', [], /^\/tmp\/p2p-reach-/],
  ['that forwards no sockets', ['AllowStreamLocalForwarding=no'], /^localhost:\d+$/],
] as const) {
  test(`bytes go both ways through a server ${name}`, async (t) => {
    const folder = await sshFolder(t)
    const { port } = await startSshd(t, folder, { options })
    const [alice, bob] = [serverOf(t, folder, port), serverOf(t, folder, port)]
    const place = placeOf(t)
    const { at } = await alice.listen([place], echo, never)
    t.regex(at[0] ?? '', expected)
    const bytes = randomBytes(8_000_000)
    t.is(await hashOfEcho(await firstOf(bob.dial(place, never)), bytes), sha256(bytes))
  })
}

for (const option of ['AllowTcpForwarding=no', 'DisableForwarding=yes']) {
  test(`a server with ${option} forwards nothing, and the error says what to change`, async (t) => {
    const folder = await sshFolder(t)
    const { port } = await startSshd(t, folder, { options: [option] })
    const error = await t.throwsAsync(serverOf(t, folder, port).listen([placeOf(t)], echo, never))
    t.like(error, { code: 'ERR_REACH_SSH_FORWARDING' })
    t.regex(String(Reflect.get(error, 'hint')), /AllowTcpForwarding yes/)
  })
}

test('who listens anew takes the place of a connection that died unnoticed', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder)
  const place = placeOf(t)
  const old = serverOf(t, folder, port)
  await old.listen([place], (stream) => stream.end('old'), never)
  const anew = serverOf(t, folder, port)
  await anew.listen([place], (stream) => stream.end('new'), never)
  const stream = await firstOf(serverOf(t, folder, port).dial(place, never))
  t.is(Buffer.concat(await stream.toArray()).toString(), 'new')
})

test('where files can’t be removed, the next socket is taken, and found first', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder, { options: ['ForceCommand=/bin/false'] })
  const place = placeOf(t)
  const listening = []
  for (const word of ['first', 'second']) {
    const server = serverOf(t, folder, port)
    listening.push(...(await server.listen([place], (stream) => stream.end(word), never)).at)
  }
  t.deepEqual(listening, place.sockets.slice(0, 2))
  const stream = await firstOf(serverOf(t, folder, port).dial(place, never))
  t.is(Buffer.concat(await stream.toArray()).toString(), 'second')
})

test('with GatewayPorts, anybody can dial the port, without an account', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder, { options: ['GatewayPorts=clientspecified'] })
  const place = placeOf(t)
  const { at } = await serverOf(t, folder, port, {}, `?public#${folder.fingerprint}`).listen(
    [place],
    echo,
    never,
  )
  t.regex(at[0] ?? '', /^\*:\d+$/)
  const stranger = serverOf(t, folder, port, { identityFiles: [] }, '?public')
  const bytes = randomBytes(100_000)
  t.is(await hashOfEcho(await firstOf(stranger.dial(place, never)), bytes), sha256(bytes))
})

test('a host key is checked: unknown, pinned, in known_hosts, changed, revoked', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder)
  const listen = async (suffix: string, knownHosts: string) => {
    const file = join(folder.path, 'known_hosts')
    await writeFile(file, knownHosts)
    const server = serverOf(t, folder, port, { knownHostsFiles: [file] }, suffix)
    try {
      return await server.listen([placeOf(t)], echo, never).then(
        () => 'logged in',
        (error: unknown) => (error as { code: string }).code,
      )
    } finally {
      await server.close()
    }
  }
  const other = fingerprintOf(newKey(folder.path, 'other'))
  const line = `[127.0.0.1]:${port} ${folder.hostPublicKey}\n`
  t.is(await listen('', ''), 'ERR_REACH_SSH_HOST_KEY_UNKNOWN')
  t.is(await listen(`#${folder.fingerprint}`, ''), 'logged in')
  t.is(await listen('', line), 'logged in')
  t.is(await listen('', line.replace(String(port), '22')), 'ERR_REACH_SSH_HOST_KEY_UNKNOWN')
  t.is(await listen(`#${other}`, line), 'ERR_REACH_SSH_HOST_KEY_CHANGED')
  t.is(await listen(`#${folder.fingerprint}`, `@revoked ${line}`), 'ERR_REACH_SSH_HOST_KEY_CHANGED')
  const wrong = line.replace(folder.hostPublicKey, publicKeyOf(folder, 'other'))
  t.is(await listen('', wrong), 'ERR_REACH_SSH_HOST_KEY_CHANGED')
})

test('a key that the server does not know is refused, and so is one with a passphrase', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder)
  const stranger = newKey(folder.path, 'stranger')
  const locked = newKey(folder.path, 'locked', '-N', 'secret')
  const listen = (key: string) =>
    serverOf(t, folder, port, { identityFiles: [key] }).listen([placeOf(t)], echo, never)
  t.like(await t.throwsAsync(listen(stranger)), { code: 'ERR_REACH_SSH_AUTH' })
  const error = await t.throwsAsync(listen(locked), { message: /it has a passphrase/ })
  t.like(error, { code: 'ERR_REACH_SSH_AUTH' })
})

test('an agent logs in with a key that has a passphrase', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder)
  const locked = newKey(folder.path, 'locked', '-N', 'secret')
  await writeFile(folder.authorizedKeys, readFileSync(`${locked}.pub`))
  await withAgent(t, folder, locked, 'secret')
  const server = serverOf(t, folder, port, { identityFiles: [] })
  t.is((await server.listen([placeOf(t)], echo, never)).at.length, 1)
})

test('a server that is killed is noticed, and nobody waits for it for ever', async (t) => {
  const folder = await sshFolder(t)
  const sshd = await startSshd(t, folder)
  const [alice, bob] = [serverOf(t, folder, sshd.port), serverOf(t, folder, sshd.port)]
  const place = placeOf(t)
  const { lost } = await alice.listen([place], () => undefined, never)
  const stream = await firstOf(bob.dial(place, never))
  await sshd.stop()
  t.is((await lost).code, 'ERR_REACH_SSH_UNREACHABLE')
  t.deepEqual(await stream.toArray(), [])
  t.like(await t.throwsAsync(firstOf(bob.dial(place, never))), { code: 'ERR_REACH_SSH_UNREACHABLE' })
})

test('a reader that stops holds its own stream only', async (t) => {
  const folder = await sshFolder(t)
  const { port } = await startSshd(t, folder)
  const [alice, bob] = [serverOf(t, folder, port), serverOf(t, folder, port)]
  const place = placeOf(t)
  let count = 0
  await alice.listen([place], (stream) => (count++ === 0 ? stream.pause() : echo(stream)), never)
  const stalled = await firstOf(bob.dial(place, never))
  let isTaken = false
  stalled.write(Buffer.alloc(32_000_000), () => (isTaken = true))
  const bytes = randomBytes(4_000_000)
  t.is(await hashOfEcho(await firstOf(bob.dial(place, never)), bytes), sha256(bytes))
  t.false(isTaken)
})

/** The same by the system's ssh, with nothing of the person who runs the tests. */
async function commandServerOf(
  t: ExecutionContext,
  folder: SshFolder,
  port: number,
  knownHosts: string,
): Promise<SshServer> {
  const file = join(folder.path, 'known_hosts')
  await writeFile(file, knownHosts)
  const options = ['IdentitiesOnly=yes', `UserKnownHostsFile=${file}`, 'GlobalKnownHostsFile=none']
  const server = new CommandServer({
    runtime: nodeRuntime(),
    url: parseSshUrl(`ssh://root@127.0.0.1:${port}`),
    command: ['ssh', '-F', 'none', '-i', folder.userKey, ...options.flatMap((option) => ['-o', option])],
  })
  t.teardown(() => server.close())
  return server
}

for (const [name, options, expected] of [
  ['as Debian configures it', [], /^\/tmp\/p2p-reach-/],
  ['that forwards no sockets', ['AllowStreamLocalForwarding=no'], /^localhost:\d+$/],
] as const) {
  test(`the system’s ssh carries bytes both ways through a server ${name}`, async (t) => {
    const folder = await sshFolder(t)
    const { port } = await startSshd(t, folder, { options })
    const known = `[127.0.0.1]:${port} ${folder.hostPublicKey}\n`
    const [alice, bob] = [
      await commandServerOf(t, folder, port, known),
      await commandServerOf(t, folder, port, known),
    ]
    const place = placeOf(t)
    const { at } = await alice.listen([place], echo, never)
    t.regex(at[0] ?? '', expected)
    const bytes = randomBytes(1_000_000)
    t.is(await hashOfFirstEcho(bob.dial(place, never), bytes), sha256(bytes))
  })
}

test('what the system’s ssh complains about becomes an error of ours', async (t) => {
  const folder = await sshFolder(t)
  const sshd = await startSshd(t, folder, { options: ['AllowTcpForwarding=no'] })
  const known = `[127.0.0.1]:${sshd.port} ${folder.hostPublicKey}\n`
  const listen = async (knownHosts: string, more: Partial<SshFolder> = {}) => {
    const server = await commandServerOf(t, { ...folder, ...more }, sshd.port, knownHosts)
    return t.throwsAsync(server.listen([placeOf(t)], echo, never))
  }
  const stranger = newKey(folder.path, 'stranger')
  t.like(await listen(known), { code: 'ERR_REACH_SSH_FORWARDING' })
  t.like(await listen(known, { userKey: stranger }), { code: 'ERR_REACH_SSH_AUTH' })
  t.like(await listen(''), { code: 'ERR_REACH_SSH_HOST_KEY_UNKNOWN' })
  const changed = known.replace(folder.hostPublicKey, publicKeyOf(folder, 'stranger'))
  t.like(await listen(changed), { code: 'ERR_REACH_SSH_HOST_KEY_CHANGED' })
  await sshd.stop()
  t.like(await listen(known), { code: 'ERR_REACH_SSH_UNREACHABLE' })
})

/** Over the first stream that somebody answers on. */
async function hashOfFirstEcho(streams: AsyncGenerator<Duplex, void>, bytes: Uint8Array): Promise<string> {
  for await (const stream of streams) {
    stream.on('error', () => undefined)
    const hash = await hashOfEcho(stream, bytes).catch(() => '')
    if (hash === sha256(bytes)) return hash
  }
  return 'nobody answered'
}

/** Starts an agent that holds a key, where this process looks for one. */
async function withAgent(
  t: ExecutionContext,
  { path }: SshFolder,
  key: string,
  passphrase: string,
): Promise<void> {
  const socket = join(path, 'agent')
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'ignore'] })
  const before = process.env.SSH_AUTH_SOCK
  t.teardown(() => {
    agent.kill()
    if (before === undefined) delete process.env.SSH_AUTH_SOCK
    else process.env.SSH_AUTH_SOCK = before
  })
  await once(agent.stdout, 'data') // it says where it listens
  process.env.SSH_AUTH_SOCK = socket
  const askpass = join(path, 'askpass')
  await writeFile(askpass, `#!/bin/sh\necho ${passphrase}\n`, { mode: 0o700 })
  const env = { ...process.env, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force' }
  execFileSync('ssh-add', ['-q', key], { env, stdio: 'ignore' })
}

function publicKeyOf({ path }: SshFolder, name: string): string {
  return readFileSync(join(path, `${name}.pub`), 'utf8')
    .split(' ')
    .slice(0, 2)
    .join(' ')
}
