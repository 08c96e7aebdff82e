import test from 'ava'
import type { ExecutionContext } from 'ava'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import type { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import type { PeerId } from '../../lib/base/peer-id.ts'
import { generateKeyPair } from '../../lib/identity/keys/key-pair.ts'
import { lanTag } from '../../lib/protocol/mdns/lan-service.ts'
import { supportScript } from './support/agents.ts'
import { MASQUERADE } from './support/mapping-lab.ts'
import { netnsTest } from './support/netns-test.ts'
import { RunningProgram } from './support/running-program.ts'
import { ANNOUNCER, BROWSER, ONE_SHOT, PYTHON, whyNoZeroconf } from './support/zeroconf-peer.ts'

/* Peers of one LAN find each other, and somebody else's multicast DNS finds them: python-zeroconf. */

const NETWORK = 'ab'.repeat(32)
const alice = generateKeyPair().peerId
const bob = generateKeyPair().peerId

/** Two hosts on one Ethernet behind a router. */
async function lanOf(lab: NetnsLab): Promise<readonly [LabNode, LabNode]> {
  const behind = await lab.internet()
  const nat = MASQUERADE
  const home = await lab.gateway('home', {
    ...{ behind, wan: ['203.0.113.50'], lan: ['192.168.1.1/24', 'fd12::1/64'], nat },
  })
  const one = await lab.host('one', { at: home, ips: ['192.168.1.10', 'fd12::10'] })
  const other = await lab.host('other', { at: home, ips: ['192.168.1.11', 'fd12::11'] })
  return [one, other]
}

async function agentOn(host: LabNode, peerId?: PeerId, port = 0): Promise<RunningProgram> {
  const script = supportScript('lan-agent.js')
  const agent = new RunningProgram(
    host.spawn(process.execPath, [script, NETWORK, peerId ?? '-', String(port)]),
  )
  await agent.waitForLine(/^ready$/)
  return agent
}

function python(host: LabNode, script: string, ...args: readonly string[]): RunningProgram {
  return new RunningProgram(host.spawn(PYTHON ?? 'python3', ['-c', script, ...args]))
}

async function found(agent: RunningProgram, peerId: PeerId): Promise<string> {
  agent.say(`find ${peerId}`)
  return (await agent.waitForLine(/^found ?(.*)$/))[1] ?? ''
}

netnsTest(
  'two peers of one LAN find each other by their PeerIds, over IPv4 and IPv6, and hear each other go',
  async (t, lab) => {
    const [one, other] = await lanOf(lab)
    const a = await agentOn(one, alice, 4001)
    const b = await agentOn(other, bob, 4002)
    t.is(await found(a, bob), '192.168.1.11:4002 [fd12::11]:4002')
    t.is(await found(b, alice), '192.168.1.10:4001 [fd12::10]:4001')
    b.say('close')
    t.is((await b.ended).code, 0)
    a.say('look') // who objects to a goodbye has a second for it
    await a.waitForLine(/^seen 0$/)
    t.is(await found(a, bob), '')
  },
)

netnsTest('two programs of one host share the port and find each other', async (t, lab) => {
  const [one] = await lanOf(lab)
  const a = await agentOn(one, alice, 4001)
  const b = await agentOn(one, bob, 4002)
  t.is(await found(a, bob), '192.168.1.10:4002 [fd12::10]:4002')
  t.is(await found(b, alice), '192.168.1.10:4001 [fd12::10]:4001')
})

netnsTest(
  'a resolver that asks once and knows no multicast gets an answer of its own (RFC 6762 §6.7)',
  async (t, lab) => {
    const [one, other] = await lanOf(lab)
    await agentOn(other, bob, 4002)
    const { stdout } = await one.exec(process.execPath, ['-e', ONE_SHOT])
    // Its id, a response with authority, one question, one answer, SRV, TXT and two addresses.
    t.is(stdout.trim(), '4242 33792 1 1 0 4 192.168.1.11 5353')
  },
)

const missing = whyNoZeroconf()

function zeroconfTest(title: string, body: (t: ExecutionContext, lab: NetnsLab) => Promise<void>): void {
  if (missing === undefined) return netnsTest(title, body)
  test(title, (t) => {
    t.log(`skipped: ${missing}`)
    t.pass()
  })
}

zeroconfTest('python-zeroconf finds us, resolves us, and hears our goodbye', async (t, lab) => {
  const [one, other] = await lanOf(lab)
  const browser = python(one, BROWSER)
  await browser.waitForLine(/^ready$/)
  const agent = await agentOn(other, bob, 4002)
  const [, instance = '', rest = ''] = await browser.waitForLine(
    /^resolved ([0-9a-f]{16})\._p2p-reach\._tcp\.local\. (.*)$/,
  )
  t.is(rest, `4002 ${lanTag(NETWORK, bob, instance)} 192.168.1.11 fd12::11`)
  agent.say('close')
  const [, gone] = await browser.waitForLine(/^removed ([0-9a-f]{16})\./)
  t.is(gone, instance)
})

zeroconfTest('python-zeroconf that comes later asks and gets our answer', async (t, lab) => {
  const [one, other] = await lanOf(lab)
  const agent = await agentOn(other, bob, 4002)
  agent.say('look') // passes the time of its announcements
  await agent.waitForLine(/^seen 0$/)
  const browser = python(one, BROWSER)
  await browser.waitForLine(/^resolved [0-9a-f]{16}\._p2p-reach\._tcp\.local\. 4002 /)
  t.pass()
})

zeroconfTest(
  'what python-zeroconf announces is found by us, and forgotten when it takes it back',
  async (t, lab) => {
    const [one, other] = await lanOf(lab)
    const instance = '0123456789abcdef'
    const announcer = python(
      other,
      ANNOUNCER,
      instance,
      lanTag(NETWORK, bob, instance),
      '4003',
      '192.168.1.11',
    )
    await announcer.waitForLine(/^registered$/)
    const agent = await agentOn(one)
    t.is(await found(agent, bob), '192.168.1.11:4003')
    announcer.say('')
    await announcer.waitForLine(/^unregistered$/)
    agent.say('look')
    await agent.waitForLine(/^seen 0$/)
    t.is(await found(agent, bob), '')
  },
)

zeroconfTest('it shares a host and its port with us', async (t, lab) => {
  const [one, other] = await lanOf(lab)
  const browser = python(one, BROWSER)
  await browser.waitForLine(/^ready$/)
  const a = await agentOn(one, alice, 4001)
  const b = await agentOn(other, bob, 4002)
  t.is(await found(a, bob), '192.168.1.11:4002 [fd12::11]:4002')
  t.is(await found(b, alice), '192.168.1.10:4001 [fd12::10]:4001')
  await browser.waitForLine(/^resolved \S+ 4001 /)
  await browser.waitForLine(/^resolved \S+ 4002 /)
})
