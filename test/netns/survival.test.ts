import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { SITE_RECIPES } from '../../cli/demo/lab/site-kinds.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import { busyNetnsTest, heavyNetnsTest } from './support/netns-test.ts'
import type { Station } from './support/relayed-network.ts'
import { joinMembers, relayedNetwork } from './support/relayed-network.ts'
import type { RunningProgram } from './support/running-program.ts'
import { bytesOf, hashOf } from './support/test-bytes.ts'
import { folderOf } from './support/test-folder.ts'

/*
 * One transfer, and everything that happens to a laptop in an evening. The paths die in between; the bytes don't.
 */

const GIB = 1024 * 1024 * 1024

/** The next path of a session, of that kind. */
async function pathOf(t: ExecutionContext, program: RunningProgram, kind: string): Promise<void> {
  await program.waitForLine(new RegExp(`"event":"path".*"kind":"${kind}`), { timeoutMs: 100_000 })
  t.log(`on ${kind}`)
}

heavyNetnsTest(
  'two gibibytes: relay, direct, the NAT restarts, relay, direct, another uplink, relay, direct: the hash is right',
  async (t, lab) => {
    const internet = await lab.internet()
    const aliceSite = await openSite(lab, internet, SITE_RECIPES['port-preserving'], {
      number: 1,
      name: 'alice',
    })
    // Its ports are others after a restart, so that all connections die with it, the relay's included.
    const home = await openSite(lab, internet, SITE_RECIPES['port-translating'], { number: 2, name: 'bob' })
    const away = await lab.gateway('away', {
      behind: internet,
      wan: ['198.51.100.90'],
      lan: ['192.168.9.1/24'],
      nat: { mapping: 'endpoint-independent', ports: 'preserving', filtering: 'address-and-port-dependent' },
    })
    const hosts = [aliceSite.host, home.host] as const
    const { alice, bob } = await joinMembers(t, lab, internet, { relayCount: 1, hosts })
    const exposing = alice.start('expose', '9000', '--as', 'files')
    await exposing.waitForLine(/"event":"ready"/)
    const connecting = bob.start('connect', 'alice/files', '9000')
    await connecting.waitForLine(/"event":"ready"/)
    const bytes = bytesOf('evening', 2 * GIB)
    // As fast as a good line, so that it lasts through all of it.
    alice.startShell(`${bytes} | pv -q -L 60M | nc -N -l 127.0.0.1 9000`)
    await alice.listens(9000)
    const expected = hashOf(t, alice, bytes)
    const came = bob.shell('nc 127.0.0.1 9000 </dev/null | sha256sum', 180_000)
    await pathOf(t, connecting, 'relay')
    await pathOf(t, connecting, 'direct')
    await home.gateways[0]?.forget()
    t.log('the NAT has restarted')
    await pathOf(t, connecting, 'relay')
    await pathOf(t, connecting, 'direct')
    await home.link?.remove()
    await away.attach(home.host, { ips: ['192.168.9.10'] })
    t.log('another uplink')
    await pathOf(t, connecting, 'relay')
    await pathOf(t, connecting, 'direct')
    t.is((await came).stdout.slice(0, 64), await expected)
    for (const program of [connecting, exposing]) {
      t.deepEqual(await program.stop('SIGINT'), { code: 0, signal: undefined }, program.stderr)
    }
  },
)

busyNetnsTest(
  'a computer that sleeps longer than paths live wakes up, and its transfer goes on',
  async (t, lab) => {
    const { alice, bob } = await relayedNetwork(t, lab)
    const { connecting, came } = await carry(t, alice, bob)
    process.kill(connecting.pid ?? 0, 'SIGSTOP')
    // Alice gives the path up after some seconds in which nothing answers, and the relay ends his leg with hers.
    const ended = `for i in $(seq 400); do ss -Htn state close-wait | grep -q . && exit 0; sleep 0.1; done; exit 1`
    t.is((await bob.shell(ended)).code, 0, 'the path lives on')
    process.kill(connecting.pid ?? 0, 'SIGCONT')
    await connecting.waitForLine(/"event":"path-lost"/)
    await connecting.waitForLine(/"event":"path","peer":"alice","peerId":"[^"]*","kind":"relay"/)
    t.is((await came).stdout.slice(0, 64), await hashOf(t, alice, bytesOf('carried', CARRIED)))
  },
)

busyNetnsTest(
  'a relay that moves to another address is found by its name, and a transfer goes on',
  async (t, lab) => {
    const internet = await lab.internet()
    const hostsOf = (ip: string) => `127.0.0.1 localhost\n${ip} relay.example\n`
    const etc = { hosts: hostsOf('203.0.113.2') }
    const recipe = SITE_RECIPES['udp-blocked']
    const one = await openSite(lab, internet, recipe, { number: 1, name: 'alice', etc })
    const two = await openSite(lab, internet, recipe, { number: 2, name: 'bob', etc })
    const relayFlags = ['--public', 'relay.example:443']
    const members = { relayCount: 1, hosts: [one.host, two.host], relayFlags } as const
    const { alice, bob, relays } = await joinMembers(t, lab, internet, members)
    const { connecting, came } = await carry(t, alice, bob)
    await relays[0]?.program.stop('SIGKILL')
    await connecting.waitForLine(/"event":"path-lost"/)
    for (const station of [alice, bob]) await station.shell(`printf '${hostsOf('203.0.113.3')}' > /etc/hosts`)
    relays[0]?.station.start(
      'relay',
      'up',
      '--listen',
      '203.0.113.3:443',
      '--stun',
      '203.0.113.3:3478',
      ...relayFlags,
    )
    await connecting.waitForLine(/"event":"path","peer":"alice".*"remote":"203\.0\.113\.3:443"/)
    t.is((await came).stdout.slice(0, 64), await hashOf(t, alice, bytesOf('carried', CARRIED)))
  },
)

const CARRIED = 128 * 1024 * 1024

/** A transfer over the relay from alice to bob that takes some seconds, and is under way. */
async function carry(t: ExecutionContext, alice: Station, bob: Station) {
  const exposing = alice.start('expose', '9000', '--as', 'files', '--relay-only')
  await exposing.waitForLine(/"event":"ready"/)
  const connecting = bob.start('connect', 'alice/files', '9000', '--relay-only')
  await connecting.waitForLine(/"event":"path","peer":"alice".*"kind":"relay"/)
  alice.startShell(`${bytesOf('carried', CARRIED)} | pv -q -L 24m | nc -N -l 127.0.0.1 9000`)
  await alice.listens(9000)
  const file = join(await folderOf(t), 'came')
  const came = bob.shell(`nc 127.0.0.1 9000 </dev/null >${file}; sha256sum <${file}`, 120_000)
  const some = `for i in $(seq 300); do [ $(stat -c %s ${file}) -gt 10000000 ] && exit 0; sleep 0.1; done; exit 1`
  t.is((await bob.shell(some)).code, 0, 'nothing comes')
  return { connecting, came }
}
