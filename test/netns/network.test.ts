import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CLI } from '../../cli/program-files.ts'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import { busyNetnsTest } from './support/netns-test.ts'
import { RunningProgram } from './support/running-program.ts'
import { folderOf } from './support/test-folder.ts'

/* A network across real NATs: the relay, an administrator and members on hosts of their own, each with its home. */

const RELAY_IPS = ['203.0.113.2', '203.0.113.3']

function cli(host: LabNode, home: string, ...argv: readonly string[]) {
  return host.exec(process.execPath, [CLI, ...argv, '--home', home], { env: { PATH: process.env.PATH } })
}

function program(host: LabNode, home: string, ...argv: readonly string[]): RunningProgram {
  const command = [CLI, ...argv, '--json', '--home', home]
  return new RunningProgram(host.spawn(process.execPath, command, { env: { PATH: process.env.PATH } }))
}

busyNetnsTest(
  'members behind NATs join, stay, and hear at once whom the network shuts out',
  async (t, lab) => {
    const internet = await lab.internet()
    const server = await lab.host('relay', { at: internet, ips: RELAY_IPS })
    const alice = await openSite(lab, internet, 'fully-random', { number: 1 })
    const bob = await openSite(lab, internet, 'only-tcp-443', { number: 2 })
    const [relayHome, aliceHome, bobHome] = [await folderOf(t), await folderOf(t), await folderOf(t)]
    const listen = RELAY_IPS.flatMap((ip) => ['--listen', `${ip}:443`, '--stun', `${ip}:3478`])
    const relay = program(server, relayHome, 'relay', 'up', ...listen)
    await relay.waitForLine(/"event":"ready"/)

    const forAlice = await cli(server, relayHome, 'invite', 'alice')
    const joined = await cli(alice.host, aliceHome, 'join', forAlice.stdout.trim())
    t.is(joined.code, 0, joined.stderr)
    const forBob = await cli(server, relayHome, 'invite', 'bob', '--role', 'admin')
    const joinedToo = await cli(bob.host, bobHome, 'join', forBob.stdout.trim())
    t.is(joinedToo.code, 0, joinedToo.stderr)

    const aliceStays = program(alice.host, aliceHome, 'renew', '--stay')
    const bobStays = program(bob.host, bobHome, 'renew', '--stay')
    await Promise.all([aliceStays.waitForLine(/"event":"ready"/), bobStays.waitForLine(/"event":"ready"/)])
    const status = await cli(server, relayHome, 'relay', 'status', '--json')
    t.regex(status.stdout, /"name":"alice","role":"peer","connected":true/)
    // The relay knows members by where their NATs let them out.
    t.regex(
      await readFile(join(relayHome, 'authority', 'audit.log'), 'utf8'),
      /"from":"(?!203\.0\.113\.2")[0-9.]+"/,
    )

    // An administrator acts from behind the strictest firewall.
    const revoked = await cli(bob.host, bobHome, 'revoke', 'alice', '--reason', 'lost')
    t.is(revoked.code, 0, revoked.stderr)
    t.deepEqual(await aliceStays.ended, { code: 4, signal: undefined })
    await bobStays.waitForLine(/"event":"deny-list","number":1,"keys":1/)

    // The relay is killed and comes back: bob finds it again, and alice stays out.
    await relay.stop('SIGKILL')
    const back = program(server, relayHome, 'relay', 'up', ...listen)
    await back.waitForLine(/"event":"ready"/)
    await bobStays.waitForLine(/"event":"ready"/)
    const refused = await cli(alice.host, aliceHome, 'renew')
    t.is(refused.code, 4)
    t.regex(refused.stderr, /revoked/)
  },
)

busyNetnsTest(
  'a second relay joins the network, serves its members, and hears of revocations',
  async (t, lab) => {
    const internet = await lab.internet()
    const first = await lab.host('first', { at: internet, ips: ['203.0.113.2'] })
    const second = await lab.host('second', { at: internet, ips: ['203.0.113.9'] })
    const alice = await openSite(lab, internet, 'port-preserving', { number: 1 })
    const [firstHome, secondHome, aliceHome] = [await folderOf(t), await folderOf(t), await folderOf(t)]
    const up = (ip: string) => ['relay', 'up', '--listen', `${ip}:443`, '--stun', `${ip}:3478`]
    const firstRelay = program(first, firstHome, ...up('203.0.113.2'))
    await firstRelay.waitForLine(/"event":"ready"/)
    const forSecond = await cli(first, firstHome, 'invite', 'second', '--role', 'relay')
    const joined = await cli(second, secondHome, 'join', forSecond.stdout.trim())
    t.is(joined.code, 0, joined.stderr)
    const secondRelay = program(second, secondHome, ...up('203.0.113.9'))
    await secondRelay.waitForLine(/"event":"ready".*"issues":false/)
    const connected = async (): Promise<void> => {
      for (let attempt = 0; attempt < 50; attempt++) {
        const { stdout } = await cli(first, firstHome, 'relay', 'status', '--json')
        if (/"name":"second","role":"relay","connected":true/.test(stdout)) return
      }
      t.fail('the second relay never came')
    }
    await connected()

    const forAlice = await cli(first, firstHome, 'invite', 'alice')
    t.is((await cli(alice.host, aliceHome, 'join', forAlice.stdout.trim())).code, 0)
    const identity = await cli(alice.host, aliceHome, 'identity', '--json')
    t.regex(identity.stdout, /"relays":\["203\.0\.113\.2:443","203\.0\.113\.9:443"\]/)

    // The first relay is gone: the second takes the member, and can't renew.
    const stays = program(alice.host, aliceHome, 'renew', '--stay')
    await stays.waitForLine(/"event":"ready","relay":"203\.0\.113\.2:443"/)
    await firstRelay.stop('SIGKILL')
    await stays.waitForLine(/"event":"ready","relay":"203\.0\.113\.9:443"/)
    const again = program(first, firstHome, ...up('203.0.113.2'))
    await again.waitForLine(/"event":"ready"/)
    await connected()

    // Revoked at the first relay, shut out at the second.
    const revoked = await cli(first, firstHome, 'revoke', 'alice')
    t.is(revoked.code, 0, revoked.stderr)
    t.deepEqual(await stays.ended, { code: 4, signal: undefined })
    t.regex(stays.stderr, /the key of alice was revoked/)
  },
)
