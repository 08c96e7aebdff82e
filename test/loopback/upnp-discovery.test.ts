import type { ServerResponse } from 'node:http'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { discoverUpnp } from '../../lib/portmap/discover-upnp.ts'
import { BILLION_LAUGHS, GOOGLE_WIFI, MINIUPNPD, PFSENSE } from '../vectors/igd-descriptions.ts'
import { FakeConnection } from './upnp-support/fake-connection.ts'
import { FakeLan } from './upnp-support/fake-lan.ts'
import { REQUEST, igdOf, lanOf, mapperIn } from './upnp-support/upnp-test.ts'

/* Gateways of our own on loopback addresses; searches go to them alone, and nothing leaves this host. */

/** Where the services are that a LAN leads to, the best first. */
async function found(lan: FakeLan): Promise<readonly string[]> {
  const mappers = await discoverUpnp(lan.setup, 5000, new AbortController().signal)
  return mappers.map(({ client }) => client.gatewayIp + client.service.control.path)
}

test.serial(
  'the gateway itself is asked first, and the group in the same moment; then other types, then all',
  async (t) => {
    const lan = new FakeLan('127.0.0.1', [])
    const mapper = mapperIn(t, lan)
    await t.throwsAsync(mapper.prepare(), { code: 'ERR_REACH_TIMEOUT' })
    t.deepEqual(lan.searches.slice(0, 4), [
      '127.0.0.1:1900 urn:schemas-upnp-org:device:InternetGatewayDevice:1',
      '127.0.0.1:1900 urn:schemas-upnp-org:device:InternetGatewayDevice:2',
      '239.255.255.250:1900 urn:schemas-upnp-org:device:InternetGatewayDevice:1',
      '239.255.255.250:1900 urn:schemas-upnp-org:device:InternetGatewayDevice:2',
    ])
    for (const target of ['WANIPConnection:1', 'WANIPConnection:2', 'WANPPPConnection:1'])
      t.true(lan.searches.includes(`127.0.0.1:1900 urn:schemas-upnp-org:service:${target}`))
    t.is(lan.searches.at(-1), '239.255.255.250:1900 ssdp:all')
  },
)

for (const hears of ['unicast', 'multicast'] as const) {
  test.serial(`a router that hears ${hears} alone is found`, async (t) => {
    const igd = await igdOf(t)
    const lan = new FakeLan(igd.ip, [{ from: igd.ip, location: igd.location, hears }])
    t.deepEqual(await found(lan), ['127.0.0.1/ctl/IPConn'])
  })
}

for (const target of ['urn:schemas-upnp-org:service:WANPPPConnection:1', 'ssdp:all']) {
  test.serial(`a router that answers to ${target} alone is found`, async (t) => {
    const igd = await igdOf(t)
    const lan = new FakeLan(igd.ip, [{ from: igd.ip, location: igd.location, target }])
    t.deepEqual(await found(lan), ['127.0.0.1/ctl/IPConn'])
  })
}

test.serial(
  'a router that answers from another address than the gateway’s is asked where it answered from',
  async (t) => {
    const igd = await igdOf(t, { ip: '127.0.0.5' })
    const lan = new FakeLan('127.0.0.1', [{ from: igd.ip, location: igd.location }])
    const mapper = mapperIn(t, lan)
    await mapper.prepare()
    const grant = await mapper.map(REQUEST)
    t.is(grant.gatewayIp, '127.0.0.1', 'it is filed under the gateway, where it is looked for again')
    t.is(grant.keep.deviceIp, '127.0.0.5')
    await mapper.unmap(grant)
    t.is(igd.connection.mappings.size, 0)
  },
)

test.serial(
  'of several gateways the one that is connected with a public address is asked, and the next when it refuses',
  async (t) => {
    const away = new FakeConnection({ status: 'Disconnected', externalIp: '0.0.0.0' })
    const inner = new FakeConnection({ externalIp: '192.168.9.2' })
    const outer = new FakeConnection({ alwaysConflict: true })
    const igds = [
      await igdOf(t, { connections: { '/ctl/IPConn': away } }),
      await igdOf(t, { ip: '127.0.0.2', connections: { '/ctl/IPConn': inner } }),
      await igdOf(t, { ip: '127.0.0.3', connections: { '/ctl/IPConn': outer } }),
    ]
    const lan = lanOf(...igds)
    t.deepEqual(await found(lan), ['127.0.0.3/ctl/IPConn', '127.0.0.2/ctl/IPConn', '127.0.0.1/ctl/IPConn'])
    const grant = await mapperIn(t, lan).map(REQUEST)
    t.is(grant.keep.deviceIp, '127.0.0.2')
    t.is(grant.externalIp, '192.168.9.2')
    t.true(igds[2]?.actions.some((action) => action.startsWith('Add')))
  },
)

test.serial('devices that are no gateways are not asked to describe themselves', async (t) => {
  const player = await igdOf(t, { ip: '127.0.0.4' })
  const target = 'ssdp:all' // which is what it answers with, and no type at all
  t.deepEqual(
    await found(new FakeLan('127.0.0.1', [{ from: player.ip, location: player.location, target }])),
    [],
  )
  t.deepEqual(player.requests, [])
})

test.serial('ten answers are heard, and no more', async (t) => {
  const igd = await igdOf(t)
  const answers = Array.from({ length: 30 }, (_, i) => ({ from: igd.ip, location: `${igd.location}?${i}` }))
  await found(new FakeLan(igd.ip, answers))
  t.is(igd.requests.filter((request) => request.startsWith('GET')).length, 10)
})

test.serial('one device under several URLs is one service', async (t) => {
  const igd = await igdOf(t)
  const answers = ['?a', '?b'].map((query) => ({ from: igd.ip, location: igd.location + query }))
  t.deepEqual(await found(new FakeLan(igd.ip, answers)), ['127.0.0.1/ctl/IPConn'])
})

test.serial('pfSense: an unescaped ampersand, and a base that control URLs are relative to', async (t) => {
  let base = ''
  const igd = await igdOf(t, {
    description: (_request, response) => void response.end(PFSENSE(`${base}/below`)),
  })
  base = igd.base
  t.deepEqual(await found(lanOf(igd)), ['127.0.0.1/below/ctl/IPConn'])
})

/* Hostile devices. Nobody else is ever dialled, and a good gateway beside them is found all the same. */

async function isIgnored(
  t: ExecutionContext,
  lan: FakeLan,
  victimRequests: readonly string[] = [],
): Promise<void> {
  t.deepEqual(await found(lan), [])
  t.deepEqual(victimRequests, [])
}

test.serial('a description on another host than the one that answered is not fetched', async (t) => {
  const victim = await igdOf(t, { ip: '127.0.0.7' })
  const port = new URL(victim.base).port
  for (const location of [
    victim.location,
    'http://192.168.77.1/rootDesc.xml',
    'http://[::1]/rootDesc.xml',
    `http://localhost:${port}/`,
    `http://127.0.0.1@127.0.0.7:${port}/`,
    `https://127.0.0.1:${port}/`,
    'file:///etc/passwd',
    '/rootDesc.xml',
    'http://127.0.0.1:0/',
    'no url',
  ]) {
    const lan = new FakeLan('127.0.0.1', [{ from: '127.0.0.1', location }])
    await isIgnored(t, lan, victim.requests)
    t.deepEqual(lan.dialled, [], location)
  }
})

test.serial('control URLs and bases that lead to another host are not called', async (t) => {
  const victim = await igdOf(t, { ip: '127.0.0.7' })
  for (const description of [
    MINIUPNPD.replaceAll('>/ctl/', `>${victim.base}/ctl/`),
    MINIUPNPD.replaceAll('>/ctl/', `>//127.0.0.7:${new URL(victim.base).port}/ctl/`),
  ])
    await isIgnored(t, lanOf(await igdOf(t, { description })), victim.requests)
  const misled = await igdOf(t, { description: PFSENSE(victim.base) })
  t.deepEqual(await found(lanOf(misled)), ['127.0.0.1/ctl/IPConn'], 'a base elsewhere counts as none')
  t.deepEqual(victim.requests, [])
})

test.serial('redirects are not followed', async (t) => {
  const victim = await igdOf(t, { ip: '127.0.0.7' })
  const igd = await igdOf(t, {
    description: (_request, response) =>
      void response.writeHead(302, { Location: victim.location }).end(MINIUPNPD),
  })
  await isIgnored(t, lanOf(igd), victim.requests)
})

const HOSTILE: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'the billion laughs': (response) => void response.end(BILLION_LAUGHS),
  'a document type without entities': (response) =>
    void response.end(GOOGLE_WIFI.replace('<root', '<!DOCTYPE root SYSTEM "http://127.0.0.7/"><root')),
  '10 MB of white space': (response) => void response.end(' '.repeat(10_000_000) + GOOGLE_WIFI),
  'tags without end': (response) => void response.end('<a>'.repeat(50_000)),
  'one tag of 200 KB': (response) => void response.end(`<${'a'.repeat(200_000)}>`),
  'a million attributes': (response) => void response.end(`<a ${'b="" '.repeat(40_000)}>`),
  nothing: (response) => void response.end(),
  'no HTTP': (response) => void response.socket?.end('SSH-2.0-OpenSSH_9.6\r\n'),
  'a connection that ends': (response) => void response.socket?.destroy(),
  'endless headers': (response) => {
    response.socket?.write(`HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(100_000)}`)
  },
  'endless informational responses': (response) => {
    response.socket?.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(1000))
  },
  'another protocol': (response) => {
    response.socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n')
  },
  silence: () => undefined,
  'an endless drip': (response) => {
    response.write('<root>')
    const drip = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(drip))
  },
}

for (const [name, answer] of Object.entries(HOSTILE)) {
  test.serial(
    `a device that describes itself with ${name} is left out, and the one beside it is found`,
    async (t) => {
      const hostile = await igdOf(t, { description: (_request, response) => answer(response) })
      const good = await igdOf(t, { ip: '127.0.0.2' })
      t.deepEqual(await found(lanOf(hostile, good)), ['127.0.0.2/ctl/IPConn'])
      t.true(hostile.requests.length > 0)
    },
  )
}

test.serial('looking takes no longer than a port mapper waits, however slow the devices', async (t) => {
  const slow = await igdOf(t, { script: () => 'silence' })
  const mapper = mapperIn(t, lanOf(slow))
  await mapper.prepare() // it is there, and says nothing of itself
  t.true(slow.actions.includes('GetStatusInfo'))
  const silent = await igdOf(t, { ip: '127.0.0.2', description: () => undefined })
  await t.throwsAsync(mapperIn(t, lanOf(silent)).prepare(), { code: 'ERR_REACH_TIMEOUT' })
})

test.serial('an aborted search rejects with the reason, and closes its socket', async (t) => {
  const lan = new FakeLan('127.0.0.1', [])
  const mapper = mapperIn(t, lan)
  const controller = new AbortController()
  const looking = mapper.prepare(controller.signal)
  controller.abort(new Error('enough'))
  await t.throwsAsync(looking, { message: 'enough' })
  await t.throwsAsync(mapper.prepare(controller.signal), { message: 'enough' })
  t.is(lan.openSockets, 0)
})

/* Restarts. */

test.serial('a service that moved to another port is found again to renew and to remove', async (t) => {
  const connection = new FakeConnection()
  const before = await igdOf(t, { connections: { '/ctl/IPConn': connection } })
  const lan = lanOf(before)
  const mapper = mapperIn(t, lan)
  const grant = await mapper.map(REQUEST)
  await before.close()
  const after = await igdOf(t, { connections: { '/ctl/IPConn': connection } })
  t.not(after.base, before.base)
  lan.becomes([{ from: after.ip, location: after.location }])
  await mapper.renew(grant, 60)
  t.is(connection.mappings.get('UDP:4000')?.leaseS, 60)
  // Another process, which has the grant from a file.
  await mapperIn(t, lan).unmap(grant)
  t.is(connection.mappings.size, 0)
})

test.serial(
  'a grant whose service is gone is answered with a timeout, not with a word of another device',
  async (t) => {
    const igd = await igdOf(t)
    const lan = lanOf(igd)
    const mapper = mapperIn(t, lan)
    const grant = await mapper.map(REQUEST)
    const other = await igdOf(t, { ip: '127.0.0.2' })
    lan.becomes([{ from: other.ip, location: other.location }])
    const later = mapperIn(t, lan)
    await t.throwsAsync(later.unmap(grant), { code: 'ERR_REACH_TIMEOUT' })
    t.false(other.actions.includes('DeletePortMapping'))
  },
)

const USN = 'USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1'

test.serial(
  'a device that leaves, or starts anew, has lost its mappings: told once for all its parts',
  async (t) => {
    const igd = await igdOf(t)
    const lan = lanOf(igd)
    const mapper = mapperIn(t, lan)
    let resets = 0
    mapper.onReset = () => resets++
    t.is(lan.listeners, 0, 'nothing to hear before there is a mapping')
    await mapper.map(REQUEST)
    t.is(lan.listeners, 1)
    const alive = (bootId: number) => ['NTS: ssdp:alive', USN, `BOOTID.UPNP.ORG: ${bootId}`]
    lan.announce(igd.ip, alive(7))
    t.is(resets, 0, 'it is what it was when it was found')
    lan.announce('127.0.0.9', ['NTS: ssdp:byebye', USN])
    lan.announce(igd.ip, ['NTS: ssdp:byebye', 'USN: uuid:2::upnp:rootdevice'])
    lan.announce(igd.ip, ['garbage'])
    t.is(resets, 0, 'others don’t matter')
    for (const part of ['', '::upnp:rootdevice', '::urn:schemas-upnp-org:device:InternetGatewayDevice:1'])
      lan.announce(igd.ip, ['NTS: ssdp:byebye', `USN: uuid:1${part}`])
    t.is(resets, 1)
    lan.announce(igd.ip, alive(8))
    lan.announce(igd.ip, alive(8))
    t.is(resets, 2)
    lan.announce(igd.ip, alive(9))
    t.is(resets, 3)
    lan.announce(igd.ip, ['NTS: ssdp:update', USN, 'BOOTID.UPNP.ORG: 9', 'NEXTBOOTID.UPNP.ORG: 10'])
    lan.announce(igd.ip, alive(10))
    t.is(resets, 3, 'a change that was announced loses nothing')
    await mapper.map(REQUEST)
    t.is(lan.listeners, 1)
    mapper.close()
    await new Promise((resolve) => setImmediate(resolve))
    t.is(lan.listeners, 0)
  },
)
