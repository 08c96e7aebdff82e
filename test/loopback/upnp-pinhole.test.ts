import test from 'ava'
import { transportAddress } from '../../lib/base/transport-address.ts'
import { FRITZ_BOX } from '../vectors/igd-descriptions.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { soapFault, soapResult } from './upnp-support/soap-reply.ts'
import { FakeLan } from './upnp-support/fake-lan.ts'
import { REQUEST, igdOf, lanOf, mapperIn, mapperOf } from './upnp-support/upnp-test.ts'

/* Pinholes of IPv6 at a gateway of our own on ::1. */

const ipv6 = (await loopbackFamilies()).find(({ family }) => family === 'ipv6')
const skipReason = ipv6 === undefined ? 'no IPv6' : ipv6.skipReason
if (skipReason !== undefined) console.log(`skipped pinholes: ${skipReason}`)
const withIpv6 = skipReason === undefined ? test.serial : test.skip

const INTERNAL = { ...REQUEST, internal: transportAddress('::1', 4000, 'tcp') }

withIpv6('a pinhole is opened from the address that it leads to, renewed, and closed', async (t) => {
  const igd = await igdOf(t, { ip: '::1' })
  const mapper = await mapperOf(t, igd)
  const grant = await mapper.map(INTERNAL)
  t.deepEqual(grant, {
    protocol: 'upnp',
    gatewayIp: '::1',
    internal: INTERNAL.internal,
    externalIp: undefined, // ::1 is no address of the internet
    externalPort: 4000,
    lifetimeS: 3600,
    keep: {
      deviceIp: '::1',
      controlPath: '/ctl/IP6FCtl',
      serviceType: 'urn:schemas-upnp-org:service:WANIPv6FirewallControl:1',
      uniqueId: '1',
    },
  })
  t.deepEqual([...igd.connection.pinholes], [['1', { client: '::1', port: 4000, leaseS: 3600 }]])
  t.is(igd.calls.find(({ action }) => action === 'AddPinhole')?.args.get('protocol'), '6')
  t.is((await mapper.renew(grant, 100_000)).lifetimeS, 86_400)
  await mapper.unmap(grant)
  t.is(igd.connection.pinholes.size, 0)
  await mapper.unmap(grant)
  t.false(igd.actions.includes('GetStatusInfo'), 'ports of IPv4 are not touched')
})

withIpv6('a pinhole that is gone is opened anew, under another number, and the reset is told', async (t) => {
  const igd = await igdOf(t, { ip: '::1', description: FRITZ_BOX })
  const mapper = await mapperOf(t, igd)
  const grant = await mapper.map(INTERNAL)
  igd.connection.pinholes.clear()
  let resets = 0
  mapper.onReset = () => resets++
  const renewed = await mapper.renew(grant, 60)
  t.is(resets, 1)
  t.is(renewed.keep.uniqueId, '2')
})

withIpv6(
  'a firewall that is off, or allows nobody, refuses; so does one whose port outside is to be another',
  async (t) => {
    for (const [status, code] of [
      [{ FirewallEnabled: 0, InboundPinholeAllowed: 1 }, 702],
      [{ FirewallEnabled: 1, InboundPinholeAllowed: 0 }, 703],
    ] as const) {
      const igd = await igdOf(t, {
        ip: '::1',
        script: ({ action }) => (action === 'GetFirewallStatus' ? soapResult(action, status) : undefined),
      })
      const error = await t.throwsAsync((await mapperOf(t, igd)).map(INTERNAL), {
        code: 'ERR_REACH_MAPPING_REFUSED',
      })
      t.like(error, { details: { resultCode: code } })
      t.false(igd.actions.includes('AddPinhole'))
    }
    const igd = await igdOf(t, { ip: '::1' })
    const mapper = await mapperOf(t, igd)
    await t.throwsAsync(mapper.map({ ...INTERNAL, externalPort: 4001, acceptsOtherPort: false }), {
      code: 'ERR_REACH_MAPPING_REFUSED',
    })
    t.is((await mapper.map({ ...INTERNAL, externalPort: 4001 })).externalPort, 4000)
  },
)

withIpv6('a router that does not tell its firewall’s status is asked for the pinhole', async (t) => {
  const igd = await igdOf(t, {
    ip: '::1',
    script: ({ action }) => (action === 'GetFirewallStatus' ? soapFault(401) : undefined),
  })
  await (await mapperOf(t, igd)).map(INTERNAL)
  t.is(igd.connection.pinholes.size, 1)
})

withIpv6(
  'in IPv6 a device that names another address of its own is asked at the one that answered',
  async (t) => {
    const igd = await igdOf(t, { ip: '::1' })
    const location = igd.location.replace('[::1]', '[2001:db8:77::1]')
    const lan = new FakeLan('::1', [{ from: '::1', location }])
    const grant = await mapperIn(t, lan).map(INTERNAL)
    t.is(grant.keep.deviceIp, '::1')
    t.deepEqual([...new Set(lan.dialled)], ['::1'])
  },
)

test.serial('a gateway of IPv4 is not asked for pinholes', async (t) => {
  const igd = await igdOf(t)
  await mapperIn(t, lanOf(igd)).map(REQUEST)
  t.true(igd.calls.every(({ path }) => path === '/ctl/IPConn'))
})
