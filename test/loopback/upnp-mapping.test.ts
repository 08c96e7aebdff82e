import test from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { discoverUpnp } from '../../lib/portmap/discover-upnp.ts'
import {
  FRITZ_BOX,
  GOOGLE_WIFI,
  HUAWEI_HG531,
  MIKROTIK,
  MINIUPNPD,
  PFSENSE,
} from '../vectors/igd-descriptions.ts'
import { FakeConnection } from './upnp-support/fake-connection.ts'
import { soapFault, soapResult } from './upnp-support/soap-reply.ts'
import { REQUEST, igdOf, lanOf, mapperOf } from './upnp-support/upnp-test.ts'

/* A router of our own on real sockets of the loopback interface; nothing leaves this host. */

test.serial('a port is mapped with AddAnyPortMapping, renewed, and removed', async (t) => {
  const igd = await igdOf(t)
  const mapper = await mapperOf(t, igd)
  const grant = await mapper.map(REQUEST)
  t.deepEqual(grant, {
    protocol: 'upnp',
    gatewayIp: '127.0.0.1',
    internal: REQUEST.internal,
    externalIp: '203.0.113.1',
    externalPort: 4000,
    lifetimeS: 3600,
    keep: {
      deviceIp: '127.0.0.1',
      controlPath: '/ctl/IPConn',
      serviceType: 'urn:schemas-upnp-org:service:WANIPConnection:2',
      lease: 'timed',
    },
  })
  t.true(igd.actions.includes('AddAnyPortMapping'))
  t.deepEqual([...igd.connection.mappings], [['UDP:4000', { client: '127.0.0.1', port: 4000, leaseS: 3600 }]])

  let resets = 0
  mapper.onReset = () => resets++
  const renewed = await mapper.renew(grant, 1800)
  t.deepEqual(renewed, { ...grant, lifetimeS: 1800 })
  t.deepEqual([...igd.connection.mappings], [['UDP:4000', { client: '127.0.0.1', port: 4000, leaseS: 1800 }]])
  t.is(resets, 0)

  await mapper.unmap(grant)
  t.is(igd.connection.mappings.size, 0)
  await mapper.unmap(grant) // gone already counts as removed
})

test.serial(
  'a version 1 gateway is asked with AddPortMapping; TCP and a wanted port are kept apart from the internal one',
  async (t) => {
    const igd = await igdOf(t, { description: GOOGLE_WIFI })
    const mapper = await mapperOf(t, igd)
    const internal = transportAddress('127.0.0.1', 4001, 'tcp')
    const grant = await mapper.map({ ...REQUEST, internal, externalPort: 8443, lifetimeS: 600 })
    t.is(grant.externalPort, 8443)
    t.false(igd.actions.includes('AddAnyPortMapping'))
    t.deepEqual(
      [...igd.connection.mappings],
      [['TCP:8443', { client: '127.0.0.1', port: 4001, leaseS: 600 }]],
    )
    // regression: others renew with the external port as the internal one, and delete with the internal as the external.
    await mapper.renew(grant, 600)
    t.deepEqual(
      [...igd.connection.mappings],
      [['TCP:8443', { client: '127.0.0.1', port: 4001, leaseS: 600 }]],
    )
    await mapper.unmap(grant)
    t.is(igd.connection.mappings.size, 0)
  },
)

const ROUTERS: Readonly<Record<string, { readonly description: string; readonly path: string }>> = {
  miniupnpd: { description: MINIUPNPD, path: '/ctl/IPConn' },
  'Google Wifi': { description: GOOGLE_WIFI, path: '/ctl/IPConn' },
  'Huawei HG531': { description: HUAWEI_HG531, path: '/ctrlt/WANPPPConnection_1' },
  'a Fritz!Box': { description: FRITZ_BOX, path: '/igd2upnp/control/WANIPConn1' },
  // Whose base leads to another port, which is nobody's: only relative to the description it would work.
  'a pfSense without its base': { description: PFSENSE('no url'), path: '/ctl/IPConn' },
}

for (const [name, { description, path }] of Object.entries(ROUTERS)) {
  test.serial(`${name} maps a port`, async (t) => {
    const igd = await igdOf(t, { description })
    const mapper = await mapperOf(t, igd)
    t.is((await mapper.map(REQUEST)).keep.controlPath, path)
    t.true(igd.connection.mappings.has('UDP:4000'))
    t.true(igd.calls.every((call) => call.path === path))
  })
}

test.serial(
  'a router that gives permanent mappings only (error 725) gives one, which is removed in the end',
  async (t) => {
    const igd = await igdOf(t, { connections: { '/ctl/IPConn': new FakeConnection({ leaseFault: 725 }) } })
    const mapper = await mapperOf(t, igd)
    const grant = await mapper.map(REQUEST)
    t.is(grant.lifetimeS, 0)
    t.is(grant.keep.lease, 'permanent')
    const before = igd.actions.length
    t.is((await mapper.renew(grant, 600)).lifetimeS, 0)
    const renewal = igd.calls.slice(before).filter(({ action }) => action === 'AddPortMapping')
    t.deepEqual(
      renewal.map(({ args }) => args.get('newleaseduration')),
      ['0'],
      'what is known is not tried again',
    )
    await mapper.unmap(grant)
    t.is(igd.actions.at(-1), 'DeletePortMapping')
  },
)

for (const code of [402, 501]) {
  test.serial(
    `a router that says ${code} for a lease is asked in the older way, then for a permanent mapping`,
    async (t) => {
      const connection = new FakeConnection({ leaseFault: code })
      const igd = await igdOf(t, { connections: { '/ctl/IPConn': connection } })
      const mapper = await mapperOf(t, igd)
      t.is((await mapper.map(REQUEST)).lifetimeS, 0)
      t.deepEqual(
        igd.calls
          .filter(({ action }) => action.startsWith('Add'))
          .map(({ action, args }) => `${action} ${args.get('newleaseduration') ?? ''}`),
        ['AddAnyPortMapping 3600', 'AddPortMapping 3600', 'AddPortMapping 0'],
      )
      t.deepEqual([...connection.mappings.keys()], ['UDP:4000'])
    },
  )
}

test.serial(
  'a port that belongs to another host: another one where any will do, a refusal where it was wanted',
  async (t) => {
    const igd = await igdOf(t, { description: GOOGLE_WIFI })
    igd.connection.mappings.set('UDP:4000', { client: '127.0.0.9', port: 4000, leaseS: 0 })
    const mapper = await mapperOf(t, igd)
    const error = await t.throwsAsync(
      mapper.map({ ...REQUEST, externalPort: 4000, acceptsOtherPort: false }),
      {
        code: 'ERR_REACH_MAPPING_REFUSED',
      },
    )
    t.like(error, { details: { protocol: 'upnp', gatewayIp: '127.0.0.1', resultCode: 718 } })
    const grant = await mapper.map(REQUEST)
    t.not(grant.externalPort, 4000)
    t.true(grant.externalPort >= 1024)
    t.is(igd.connection.mappings.get(`UDP:${grant.externalPort}`)?.port, 4000)
    t.is(igd.connection.mappings.get('UDP:4000')?.client, '127.0.0.9')
  },
)

test.serial(
  'AddAnyPortMapping may grant another port than the wanted one; it is that one which is renewed and removed',
  async (t) => {
    const igd = await igdOf(t)
    igd.connection.mappings.set('UDP:5000', { client: '127.0.0.9', port: 5000, leaseS: 0 })
    const mapper = await mapperOf(t, igd)
    const grant = await mapper.map({ ...REQUEST, externalPort: 5000 })
    t.is(grant.externalPort, 5001)
    await mapper.renew(grant, 60)
    await mapper.unmap(grant)
    t.deepEqual([...igd.connection.mappings.keys()], ['UDP:5000'])
  },
)

test.serial('718 for every port ends after eight ways of asking', async (t) => {
  const connection = new FakeConnection({ alwaysConflict: true })
  const igd = await igdOf(t, { connections: { '/ctl/IPConn': connection } })
  const mapper = await mapperOf(t, igd)
  await t.throwsAsync(mapper.map(REQUEST), { code: 'ERR_REACH_MAPPING_REFUSED' })
  t.is(igd.actions.filter((action) => action.startsWith('Add')).length, 8)
})

test.serial('718 for a mapping of our own, left over by a crash: it is removed and made anew', async (t) => {
  const igd = await igdOf(t, {
    description: GOOGLE_WIFI,
    script: ({ action, args }) =>
      // Seen: routers that let nobody overwrite, not even the owner.
      action === 'AddPortMapping' && igd.connection.mappings.has(`UDP:${args.get('newexternalport') ?? ''}`)
        ? soapFault(718)
        : undefined,
  })
  igd.connection.mappings.set('UDP:4000', { client: '127.0.0.1', port: 4000, leaseS: 1 })
  const mapper = await mapperOf(t, igd)
  const grant = await mapper.map({ ...REQUEST, externalPort: 4000 })
  t.is(igd.connection.mappings.get('UDP:4000')?.leaseS, 3600)
  t.is((await mapper.renew(grant, 60)).lifetimeS, 60)
})

for (const code of [606, 716, 726, 727, 728]) {
  test.serial(`error ${code} is a refusal, and says so`, async (t) => {
    const igd = await igdOf(t, {
      script: ({ action }) => (action.startsWith('Add') ? soapFault(code, 'not for you') : undefined),
    })
    const error = await t.throwsAsync((await mapperOf(t, igd)).map(REQUEST), {
      code: 'ERR_REACH_MAPPING_REFUSED',
    })
    t.like(error, { details: { resultCode: code } })
  })
}

test.serial(
  '724: the internal port is the first that is asked for, or the second where another was wanted',
  async (t) => {
    const igd = await igdOf(t, {
      description: GOOGLE_WIFI,
      script: ({ action, args }) =>
        action === 'AddPortMapping' && args.get('newexternalport') !== args.get('newinternalport')
          ? soapFault(724)
          : undefined,
    })
    const mapper = await mapperOf(t, igd)
    t.is((await mapper.map(REQUEST)).externalPort, 4000)
    const exactly = { ...REQUEST, externalPort: 4500, acceptsOtherPort: false }
    const error = await t.throwsAsync(mapper.map(exactly))
    t.like(error, { details: { resultCode: 724 } })
    t.is((await mapper.map({ ...REQUEST, externalPort: 4500 })).externalPort, 4000)
  },
)

test.serial(
  'a mapping that the router lists for another host is no mapping of ours: another port is asked for',
  async (t) => {
    const igd = await igdOf(t, {
      description: GOOGLE_WIFI,
      script: ({ action, args }) =>
        action === 'GetSpecificPortMappingEntry' && args.get('newexternalport') === '4000'
          ? soapResult(action, {
              NewInternalPort: 4000,
              NewInternalClient: '127.0.0.9',
              NewLeaseDuration: 60,
            })
          : undefined,
    })
    const grant = await (await mapperOf(t, igd)).map(REQUEST)
    t.not(grant.externalPort, 4000)
  },
)

test.serial('the lifetime is what the router lists, not what was asked for', async (t) => {
  // Routers that don't count leases list 0, or what they like: then it is renewed as if they did.
  for (const [listedLeaseS, lifetimeS] of [
    [120, 120],
    [0, 3600],
    [604_800, 3600],
  ] as const) {
    const connections = { '/ctl/IPConn': new FakeConnection({ listedLeaseS }) }
    const igd = await igdOf(t, { connections })
    t.is((await (await mapperOf(t, igd)).map(REQUEST)).lifetimeS, lifetimeS)
  }
})

test.serial(
  'names and values in any case and with any prefix are read, and faults under status 200 too',
  async (t) => {
    const igd = await igdOf(t, {
      description: GOOGLE_WIFI,
      script: ({ action, args }) => {
        if (action === 'AddPortMapping' && args.get('newleaseduration') !== '0')
          return soapFault(725, 'no', 200)
        if (action !== 'GetExternalIPAddress') return undefined
        return {
          status: 200,
          body: `<SOAP-ENV:envelope><SOAP-ENV:BODY><getexternalipaddressresponse><newexternalipaddress> 203.0.113.7 </newexternalipaddress></getexternalipaddressresponse></SOAP-ENV:BODY></SOAP-ENV:envelope>`,
        }
      },
    })
    const grant = await (await mapperOf(t, igd)).map(REQUEST)
    t.is(grant.lifetimeS, 0)
    t.is(grant.externalIp, '203.0.113.7')
  },
)

test.serial(
  'a router that can’t list mappings, and answers nothing at all to what it did, still maps',
  async (t) => {
    const igd = await igdOf(t, {
      description: GOOGLE_WIFI,
      script: ({ action }) => {
        if (action === 'GetSpecificPortMappingEntry') return soapFault(401)
        return action === 'AddPortMapping' || action === 'DeletePortMapping'
          ? { status: 200, body: '' }
          : undefined
      },
    })
    const mapper = await mapperOf(t, igd)
    const grant = await mapper.map(REQUEST)
    t.is(grant.lifetimeS, 3600)
    await mapper.unmap(grant)
    t.is(igd.actions.at(-1), 'DeletePortMapping')
  },
)

test.serial('0.0.0.0 outside is no address; a private one is told as it is', async (t) => {
  for (const [said, told] of [
    ['0.0.0.0', undefined],
    ['', undefined],
    ['192.168.1.7', '192.168.1.7'],
  ] as const) {
    const connections = { '/ctl/IPConn': new FakeConnection({ externalIp: said }) }
    const igd = await igdOf(t, { connections })
    t.is((await (await mapperOf(t, igd)).map(REQUEST)).externalIp, told)
  }
})

test.serial('a mapping that is gone when it is renewed is made anew, and the reset is told', async (t) => {
  const igd = await igdOf(t)
  const mapper = await mapperOf(t, igd)
  const grant = await mapper.map(REQUEST)
  igd.connection.mappings.clear() // it was switched off and on
  let resets = 0
  mapper.onReset = () => resets++
  await mapper.renew(grant, 3600)
  t.is(resets, 1)
  t.true(igd.connection.mappings.has('UDP:4000'))
})

test.serial('what belongs to another host by now is neither renewed nor removed', async (t) => {
  const igd = await igdOf(t)
  const mapper = await mapperOf(t, igd)
  const grant = await mapper.map(REQUEST)
  igd.connection.mappings.set('UDP:4000', { client: '127.0.0.9', port: 4000, leaseS: 0 })
  await t.throwsAsync(mapper.renew(grant, 3600), { code: 'ERR_REACH_MAPPING_REFUSED' })
  await mapper.unmap(grant)
  t.is(igd.connection.mappings.get('UDP:4000')?.client, '127.0.0.9')
})

test.serial('giving up half-way leaves no mapping behind', async (t) => {
  const controller = new AbortController()
  const igd = await igdOf(t, {
    script: ({ action }) => {
      if (action !== 'GetExternalIPAddress' || igd.connection.mappings.size === 0) return undefined
      controller.abort(new Error('enough'))
      return 'silence'
    },
  })
  const mapper = await mapperOf(t, igd)
  await t.throwsAsync(mapper.map(REQUEST, controller.signal), { message: 'enough' })
  t.true(igd.actions.some((action) => action.startsWith('Add')))
  t.is(igd.connection.mappings.size, 0)
})

test.serial('closing the mapper ends what is under way', async (t) => {
  const igd = await igdOf(t, {
    script: ({ action }) => {
      if (!action.startsWith('Add')) return undefined
      queueMicrotask(() => mapper.close())
      return 'silence'
    },
  })
  const mapper = await mapperOf(t, igd)
  await t.throwsAsync(mapper.map(REQUEST), { code: 'ERR_REACH_ABORTED' })
})

test.serial(
  'MikroTik: the connection that is up and has a public address is asked, whichever comes first',
  async (t) => {
    const [bridge, pppoe, ether] = [
      new FakeConnection({ status: 'Disconnected', externalIp: '' }),
      new FakeConnection({ externalIp: '10.1.2.3' }),
      new FakeConnection(),
    ]
    const igd = await igdOf(t, {
      description: MIKROTIK,
      connections: {
        '/upnp/control/bridge1/wanipconn-1': bridge,
        '/upnp/control/pppoe1/wanpppconn-2': pppoe,
        '/upnp/control/ether1/wanipconn-3': ether,
      },
    })
    const found = await discoverUpnp(lanOf(igd).setup, 10_000, new AbortController().signal)
    t.deepEqual(
      found.map(({ client }) => client.service.control.path),
      [
        '/upnp/control/ether1/wanipconn-3',
        '/upnp/control/pppoe1/wanpppconn-2',
        '/upnp/control/bridge1/wanipconn-1',
      ],
    )
    t.is((await (await mapperOf(t, igd)).map(REQUEST)).externalIp, '203.0.113.1')
    t.deepEqual([bridge.mappings.size, pppoe.mappings.size, ether.mappings.size], [0, 0, 1])
  },
)
