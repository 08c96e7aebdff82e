import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { SITE_RECIPES } from '../../cli/demo/lab/site-kinds.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import type { SshFolder } from '../support/sshd.ts'
import { canRunSshd, killQuietly, processesBelow, sshFolder, sshdArguments } from '../support/sshd.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import { Station, joinMembers } from './support/relayed-network.ts'
import { RunningProgram } from './support/running-program.ts'
import { bytesOf, hashOf } from './support/test-bytes.ts'
import { folderOf } from './support/test-folder.ts'

/*
 * Two members behind NATs that let nothing out but TCP to port 22 meet at an SSH server, OpenSSH's as Debian configures
 * it. They joined their network elsewhere; no relay can be reached from where they are.
 */

const MIB = 1024 * 1024
const SERVER_IP = '203.0.113.22'
/** Random ports for each flow, and only SSH leaves. */
const ONLY_SSH = { ...SITE_RECIPES['fully-random'], egress: { kind: 'tcp-ports', ports: [22] } } as const

const ONLY_TCP = { ...SITE_RECIPES['fully-random'], egress: { kind: 'no-udp' } } as const

interface SshLab {
  readonly alice: Station
  readonly bob: Station
  readonly folder: SshFolder
  /** The flags that lead to the server. Alice’s join string has named it, too. */
  readonly flags: readonly string[]
  /** Starts the server, again after it was stopped. */
  readonly startServer: (options?: readonly string[]) => Promise<RunningProgram>
  /** Ends the server with all its connections. */
  readonly stopServer: () => Promise<void>
}

async function sshLab(t: ExecutionContext, lab: NetnsLab): Promise<SshLab> {
  const internet = await lab.internet()
  const [aliceSite, bobSite] = [
    await openSite(lab, internet, ONLY_SSH, { number: 1, name: 'alice' }),
    await openSite(lab, internet, ONLY_SSH, { number: 2, name: 'bob' }),
  ]
  const relay = new Station(
    await lab.host('relay', { at: internet, ips: ['203.0.113.2'] }),
    await folderOf(t),
  )
  const program = relay.start('relay', 'up', '--listen', '203.0.113.2:443', '--stun', '203.0.113.2:3478')
  await program.waitForLine(/"event":"ready"/)
  const folder = await sshFolder(t)
  const url = `ssh://root@${SERVER_IP}#${folder.fingerprint}`
  const join = async (name: string, ...more: readonly string[]) => {
    const home = await folderOf(t)
    const invited = await relay.run('invite', name, ...more)
    const joined = await new Station(relay.host, home).run('join', invited.stdout.trim())
    t.is(joined.code, 0, joined.stderr)
    return home
  }
  const alice = new Station(aliceSite.host, await join('alice', '--ssh', url))
  const bob = new Station(bobSite.host, await join('bob'))
  const server = new Station(await lab.host('server', { at: internet, ips: [SERVER_IP] }), await folderOf(t))
  let running: RunningProgram | undefined
  const startServer = async (options: readonly string[] = []) => {
    await server.shell('mkdir -p /run/sshd')
    const argv = sshdArguments(folder, SERVER_IP, 22, options)
    running = new RunningProgram(server.host.spawn('/usr/sbin/sshd', [...argv]))
    await server.listens(22)
    return running
  }
  const stopServer = async () => {
    const connections = processesBelow(running?.pid)
    const ended = running?.stop('SIGKILL')
    for (const pid of connections) killQuietly(pid)
    await ended
  }
  t.teardown(stopServer)
  return { alice, bob, folder, flags: ['--relay', url, '--ssh-key', folder.userKey], startServer, stopServer }
}

const sshTest = canRunSshd ? busyNetnsTest : () => undefined

const LENGTH = 64 * MIB

interface Receiving {
  /** Of all that came, at its end. */
  readonly hash: Promise<string>
}

/** Takes what comes from a port of a station; resolves once some has come. */
async function receiving(t: ExecutionContext, station: Station, port: number): Promise<Receiving> {
  const file = join(await folderOf(t), 'came')
  const all = station.shell(`nc 127.0.0.1 ${port} </dev/null >${file}; sha256sum <${file}`)
  const some = `for i in $(seq 300); do [ $(stat -c %s ${file}) -gt ${10 * MIB} ] && exit 0; sleep 0.1; done; exit 1`
  t.is((await station.shell(some)).code, 0, 'nothing comes')
  return { hash: all.then(({ stdout }) => stdout.slice(0, 64)) }
}

for (const [name, options] of [
  ['with Debian’s configuration', []],
  ['that forwards no unix sockets', ['AllowStreamLocalForwarding=no']],
] as const) {
  sshTest(
    `64 MiB go each way through a server ${name}, over port 22 alone; when it is killed and comes back nothing is lost`,
    async (t, lab) => {
      const { alice, bob, folder, flags, startServer, stopServer } = await sshLab(t, lab)
      await startServer(options)
      // She names no server: her join string did.
      const own = ['--as', 'out', '--as', 'in', '--ssh-key', folder.userKey]
      const exposing = alice.start('expose', '9000', '9001', ...own)
      await exposing.waitForLine(
        /"event":"ready","service":"alice\/in".*"relays":\["ssh:\/\/root@203\.0\.113\.22:22"\]/,
      )
      const onSsh = /"event":"path","peer":"alice".*"kind":"ssh".*"via":"ssh:\/\/root@203\.0\.113\.22:22"/
      const connecting = bob.start('connect', 'alice/out', '9000', ...flags)
      await connecting.waitForLine(onSsh)
      const back = bob.start('connect', 'alice/in', '9001', ...flags)
      await back.waitForLine(onSsh)
      // Slow enough to be under way when the server goes.
      const out = alice.startShell(`${bytesOf('out', LENGTH)} | pv -q -L 16m | nc -N -l 127.0.0.1 9000`)
      await alice.listens(9000)
      const { hash } = await receiving(t, bob, 9000)
      await stopServer()
      await connecting.waitForLine(/"event":"path-lost"/)
      await startServer(options)
      await connecting.waitForLine(onSsh)
      t.is(await hash, await hashOf(t, alice, bytesOf('out', LENGTH)))
      t.is((await out.ended).code, 0)
      const into = alice.startShell('nc -l 127.0.0.1 9001 </dev/null | sha256sum')
      await alice.listens(9001)
      await bob.shell(`${bytesOf('in', LENGTH)} | nc -N 127.0.0.1 9001`)
      await into.ended
      t.is(into.lines[0]?.slice(0, 64), await hashOf(t, bob, bytesOf('in', LENGTH)))
    },
  )
}

sshTest(
  'a relay that dies is followed by an SSH server, over the system’s ssh on one side',
  async (t, lab) => {
    const internet = await lab.internet()
    const one = await openSite(lab, internet, ONLY_TCP, { number: 1, name: 'alice' })
    const two = await openSite(lab, internet, ONLY_TCP, { number: 2, name: 'bob' })
    const setup = { relayCount: 1, hosts: [one.host, two.host] } as const
    const { alice, bob, relays } = await joinMembers(t, lab, internet, setup)
    const server = await lab.host('server', { at: internet, ips: [SERVER_IP] })
    const folder = await sshFolder(t)
    await new Station(server, folder.path).shell('mkdir -p /run/sshd')
    const sshd = new RunningProgram(server.spawn('/usr/sbin/sshd', [...sshdArguments(folder, SERVER_IP, 22)]))
    t.teardown(() => processesBelow(sshd.pid).forEach(killQuietly))
    await new Station(server, folder.path).listens(22)
    const knownHosts = join(folder.path, 'known_hosts')
    await writeFile(knownHosts, `${SERVER_IP} ${folder.hostPublicKey}\n`)
    const relay = ['--relay', `ssh://root@${SERVER_IP}`]
    const own = ['--ssh-key', folder.userKey, '--ssh-known-hosts', knownHosts]
    const exposing = alice.start('expose', '9000', '--as', 'p', ...relay, ...own)
    await exposing.waitForLine(/"event":"ready"/)
    const ssh = `ssh -F none -i ${folder.userKey} -o IdentitiesOnly=yes -o UserKnownHostsFile=${knownHosts}`
    const connecting = bob.start('connect', 'alice/p', '9000', ...relay, '--ssh-command', ssh)
    await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"relay"/)
    alice.startShell(`${bytesOf('followed', LENGTH)} | pv -q -L 16m | nc -N -l 127.0.0.1 9000`)
    await alice.listens(9000)
    const { hash } = await receiving(t, bob, 9000)
    await relays[0]?.program.stop('SIGKILL')
    await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"ssh"/)
    t.is(await hash, await hashOf(t, alice, bytesOf('followed', LENGTH)))
  },
)

sshTest('a connection to the server that falls silent is found dead, and made again', async (t, lab) => {
  const { alice, bob, flags, startServer } = await sshLab(t, lab)
  const sshd = await startServer()
  const exposing = alice.start('expose', '9000', '--as', 'p', ...flags)
  await exposing.waitForLine(/"event":"ready"/)
  const ofAlice = processesBelow(sshd.pid)
  const connecting = bob.start('connect', 'alice/p', '9000', ...flags)
  await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"ssh"/)
  alice.startShell(`${bytesOf('silent', LENGTH)} | pv -q -L 16m | nc -N -l 127.0.0.1 9000`)
  await alice.listens(9000)
  const { hash } = await receiving(t, bob, 9000)
  // Its socket goes on taking connections: the kernel does that.
  for (const pid of ofAlice) process.kill(pid, 'SIGSTOP')
  await connecting.waitForLine(/"event":"path-lost"/)
  await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"ssh"/, { timeoutMs: 60_000 })
  t.is(await hash, await hashOf(t, alice, bytesOf('silent', LENGTH)))
})

sshTest(
  'a server that forwards nothing, or has another host key, is told clearly, and diagnose sees it',
  async (t, lab) => {
    const { alice, flags, startServer } = await sshLab(t, lab)
    await startServer(['AllowTcpForwarding=no'])
    const targets = ['--relay', 'https://203.0.113.2', '--relay', `ssh://root@${SERVER_IP}`]
    const { stdout } = await alice.run('diagnose', '--json', ...targets)
    const report = JSON.parse(stdout) as { relays: readonly { url: string; peerWay: { value: unknown } }[] }
    t.deepEqual(
      report.relays.map(({ url, peerWay }) => [url, peerWay.value]),
      [
        ['https://203.0.113.2', 'none'],
        [`ssh://root@${SERVER_IP}:22`, 'ssh'],
      ],
    )
    const refused = await alice.run('expose', '9000', ...flags)
    t.is(refused.code, 3)
    t.regex(refused.stderr, /forwards neither sockets nor ports to us/)
    t.regex(refused.stderr, /hint: its sshd_config needs {2}AllowTcpForwarding yes/)
    const wrongPin = flags.map((flag) => flag.replace(/#SHA256:.*/, `#SHA256:${'A'.repeat(43)}`))
    const changed = await alice.run('expose', '9000', ...wrongPin)
    t.is(changed.code, 4)
    t.regex(changed.stderr, /shows another host key than is known of it: SHA256:/)
  },
)

sshTest(
  'two hundred connections at once go through one server, and one whose reader stops holds none of them',
  async (t, lab) => {
    const { alice, bob, flags, startServer } = await sshLab(t, lab)
    await startServer()
    const exposing = alice.start('expose', '9000', '--as', 'many', ...flags)
    await exposing.waitForLine(/"event":"ready"/)
    const connecting = bob.start('connect', 'alice/many', '9000', ...flags)
    await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"ssh"/)
    alice.startShell(
      `exec socat TCP-LISTEN:9000,bind=127.0.0.1,fork,backlog=256 SYSTEM:'head -c 300000 /dev/zero'`,
    )
    await alice.listens(9000)
    // Takes nothing for as long as the others need.
    bob.startShell('nc 127.0.0.1 9000 </dev/null | sleep 60')
    const many = `for i in $(seq 200); do (nc 127.0.0.1 9000 </dev/null | wc -c) & done; wait`
    const { stdout } = await bob.shell(many)
    t.deepEqual(
      stdout.trim().split('\n'),
      Array.from({ length: 200 }, () => '300000'),
    )
  },
)
