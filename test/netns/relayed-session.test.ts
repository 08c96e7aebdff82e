import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import { busyNetnsTest, heavyNetnsTest } from './support/netns-test.ts'
import type { RelayedNetwork, Station } from './support/relayed-network.ts'
import { relayedNetwork } from './support/relayed-network.ts'
import type { RunningProgram } from './support/running-program.ts'
import { bytesOf, hashOf } from './support/test-bytes.ts'
import { folderOf } from './support/test-folder.ts'

/*
 * Two members that can only dial out over TCP reach each other through relays: real processes, real NATs, and programs
 * that others wrote at both ends.
 */

const GIB = 1024 * 1024 * 1024

/** Alice exposes ports, bob listens for them. Both sides name the path that they use. */
async function joinPorts(
  alice: Station,
  bob: Station,
  ports: readonly number[],
): Promise<{ readonly exposing: RunningProgram; readonly connecting: readonly RunningProgram[] }> {
  const names = ports.flatMap((port) => ['--as', `p${port}`])
  const exposing = alice.start('expose', ...ports.map(String), ...names)
  for (const port of ports)
    await exposing.waitForLine(new RegExp(`"event":"ready","service":"alice/p${port}"`))
  const connecting = []
  for (const port of ports) {
    const program = bob.start('connect', `alice/p${port}`, String(port))
    await program.waitForLine(/"event":"ready"/)
    await program.waitForLine(/"event":"path","peer":"alice".*"kind":"relay"/)
    connecting.push(program)
  }
  return { exposing, connecting }
}

/** Bytes on their way from alice to bob, slowly enough to be under way when something happens. */
async function slowTransfer(
  t: ExecutionContext,
  { alice, bob, relays }: RelayedNetwork,
  seed: string,
  length: number,
) {
  const [connecting] = (await joinPorts(alice, bob, [9000])).connecting
  const relay = relays.find(({ ip }) => connecting?.lines.some((line) => line.includes(`"via":"${ip}:443"`)))
  if (connecting === undefined || relay === undefined) throw new RangeError('no relay leads to alice')
  alice.startShell(`${bytesOf(seed, length)} | pv -q -L 60m | nc -N -l 127.0.0.1 9000`)
  await alice.listens(9000)
  const came = bob.shell('nc 127.0.0.1 9000 </dev/null | sha256sum')
  return {
    connecting,
    /** What carries the bytes: of two relays, whichever was connected first. */
    relay,
    /** Waits until alice is reached over another relay. */
    movedAway: () =>
      connecting.waitForLine(new RegExp(`"event":"path","peer":"alice".*"via":"(?!${relay.ip}:)`)),
    /** The hash of what has come, once it has ended. */
    cameHash: async () => (await came).stdout.slice(0, 64),
    sentHash: () => hashOf(t, alice, bytesOf(seed, length)),
  }
}

heavyNetnsTest(
  'a gibibyte goes through the relay whole, and each direction ends by itself',
  async (t, lab) => {
    const { alice, bob } = await relayedNetwork(t, lab)
    const { connecting, exposing } = await joinPorts(alice, bob, [9000, 9001])
    const big = alice.startShell(`${bytesOf('big', GIB)} | nc -N -l 127.0.0.1 9000`)
    await alice.listens(9000)
    const expected = hashOf(t, alice, bytesOf('big', GIB))
    const came = await bob.shell('nc 127.0.0.1 9000 </dev/null | sha256sum')
    t.is(came.stdout.slice(0, 64), await expected)
    t.is((await big.ended).code, 0)

    // `cat file | nc`, answered with a file: the server begins when it has seen the end of what came, so the end of one
    // direction has to arrive while the other goes on. (nc as a server gives up its own direction at the other's end.)
    const folder = await folderOf(t)
    const [toBob, toAlice] = [bytesOf('to-bob', 20_000_001), bytesOf('to-alice', 3_000_000)]
    await writeFile(join(folder, 'serve.sh'), `sha256sum > ${folder}/at-alice\n${toBob}\n`)
    alice.startShell(`socat -t 30 TCP-LISTEN:9001,bind=127.0.0.1 SYSTEM:'bash ${folder}/serve.sh'`)
    await alice.listens(9001)
    const atBob = await bob.shell(`${toAlice} | nc -N 127.0.0.1 9001 | sha256sum`)
    t.is(atBob.stdout.slice(0, 64), await hashOf(t, alice, toBob))
    const atAlice = await readFile(join(folder, 'at-alice'), 'utf8')
    t.is(atAlice.slice(0, 64), await hashOf(t, bob, toAlice))

    for (const program of [...connecting, exposing]) {
      t.deepEqual(await program.stop('SIGINT'), { code: 0, signal: undefined }, program.stderr)
    }
  },
)

busyNetnsTest('ssh, curl and wrk work through it', async (t, lab) => {
  const { alice, bob } = await relayedNetwork(t, lab)
  const folder = await folderOf(t)
  const keys = `cd ${folder} && ssh-keygen -q -t ed25519 -N '' -f host && ssh-keygen -q -t ed25519 -N '' -f user && cp user.pub authorized`
  t.is((await alice.shell(keys)).code, 0)
  const config = [
    'Port 2222',
    'ListenAddress 127.0.0.1',
    `HostKey ${folder}/host`,
    `AuthorizedKeysFile ${folder}/authorized`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    `PidFile ${folder}/pid`,
  ]
  await writeFile(join(folder, 'sshd_config'), `${config.join('\n')}\n`)
  alice.startShell(`mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e -f ${folder}/sshd_config`)
  const server = `require('node:http').createServer((q, s) => s.end(Buffer.alloc(q.url === '/big' ? 3e7 : 100, 'x'))).listen(8080, '127.0.0.1')`
  await writeFile(join(folder, 'server.cjs'), server)
  alice.startShell(`exec ${process.execPath} ${folder}/server.cjs`)
  await alice.listens(2222)
  await alice.listens(8080)
  await joinPorts(alice, bob, [2222, 8080])

  const ssh = `ssh -i ${folder}/user -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR`
  const proxy = `-o ProxyCommand='${bob.connectCommand('alice/p2222')}'`
  const remote = await bob.shell(`${bytesOf('ssh', 5_000_000)} | ${ssh} ${proxy} root@alice sha256sum`)
  t.is(remote.stdout.slice(0, 64), await hashOf(t, bob, bytesOf('ssh', 5_000_000)), remote.stderr)
  const overPort = await bob.shell(`${ssh} -p 2222 root@127.0.0.1 'cat /etc/hostname; echo done' </dev/null`)
  t.regex(overPort.stdout, /done/)

  const page = await bob.shell('curl -sS --max-time 30 http://127.0.0.1:8080/big | sha256sum')
  t.is(page.stdout.slice(0, 64), await hashOf(t, bob, "head -c 30000000 /dev/zero | tr '\\0' x"))
  const load = await bob.shell('wrk -t1 -c16 -d2s http://127.0.0.1:8080/')
  t.regex(load.stdout, /[1-9][0-9]* requests in/)
  t.notRegex(load.stdout, /Socket errors|Non-2xx/)
})

busyNetnsTest(
  'a relay that is killed loses nothing of a running transfer: the second takes over',
  async (t, lab) => {
    const members = await relayedNetwork(t, lab, 2)
    const { relay, movedAway, cameHash, sentHash } = await slowTransfer(t, members, 'moving', 300_000_000)
    await sleep(1500)
    await relay.program.stop('SIGKILL')
    t.truthy(await movedAway())
    t.is(await cameHash(), await sentHash())
  },
)

busyNetnsTest('a relay that is told to end lets a running transfer leave first', async (t, lab) => {
  const members = await relayedNetwork(t, lab, 2)
  const transfer = await slowTransfer(t, members, 'leaving', 300_000_000)
  const { connecting, relay, movedAway, cameHash, sentHash } = transfer
  await sleep(1500)
  const startedMs = performance.now()
  await relay.program.stop('SIGTERM')
  t.log(`ended after ${Math.round(performance.now() - startedMs)} ms`)
  t.truthy(await movedAway())
  t.is(await cameHash(), await sentHash())
  const { lines } = connecting
  t.true(lines.some((line) => line.includes('"event":"relay-restarting"')))
  t.false(
    lines.some((line) => line.includes('"event":"path-lost"')),
    lines.join('\n'),
  )
})

busyNetnsTest('the only relay is killed and comes back: sessions go on where they were', async (t, lab) => {
  const members = await relayedNetwork(t, lab)
  const { connecting, relay, cameHash, sentHash } = await slowTransfer(t, members, 'waiting', 200_000_000)
  await sleep(1000)
  await relay.program.stop('SIGKILL')
  await connecting.waitForLine(/"event":"path-lost"/)
  await relay.start()
  const startedMs = performance.now()
  await connecting.waitForLine(/"event":"path","peer":"alice"/)
  t.log(`back after ${Math.round(performance.now() - startedMs)} ms`)
  t.is(await cameHash(), await sentHash())
})

busyNetnsTest('a way that swallows packets is found dead, and another is taken', async (t, lab) => {
  const members = await relayedNetwork(t, lab, 2)
  const { relay, movedAway, cameHash, sentHash } = await slowTransfer(t, members, 'swallowed', 200_000_000)
  await sleep(1000)
  // Nothing is reset, nothing is said: packets vanish from now on.
  await members.bob.host.nft(
    `table ip fault { chain out { type filter hook output priority 0; ip daddr ${relay.ip} drop; }; }`,
  )
  t.truthy(await movedAway())
  t.is(await cameHash(), await sentHash())
})

busyNetnsTest('a peer that is killed is gone, and its successor is found', async (t, lab) => {
  const { alice, bob } = await relayedNetwork(t, lab)
  const { exposing, connecting } = await joinPorts(alice, bob, [9000])
  await exposing.stop('SIGKILL')
  const refused = await bob.run('ping', 'alice', '--count', '1')
  t.is(refused.code, 3, refused.stderr)
  t.regex(refused.stderr, /alice is not connected|alice did not come/)
  const again = alice.start('expose', '9000', '--as', 'p9000')
  await again.waitForLine(/"event":"ready"/)
  alice.startShell(`echo hello | nc -N -l 127.0.0.1 9000`)
  await alice.listens(9000)
  await connecting[0]?.waitForLine(/"event":"path-lost"/)
  const direct = await bob.shell(`${bob.connectCommand('alice/p9000')} </dev/null`)
  t.is(direct.stdout, 'hello\n', direct.stderr)
})
