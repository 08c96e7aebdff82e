import test from 'ava'
import type { Gateway, Network, NetworkInterface } from '../../../lib/base/runtime.ts'
import type { TransportAddress } from '../../../lib/base/transport-address.ts'
import { clientAddress } from '../../../lib/portmap/client-address.ts'

const notAsked = (): never => {
  throw new Error('not part of this test')
}

function network(source: string | undefined, interfaces: Readonly<Record<string, readonly string[]>>) {
  const asked: TransportAddress[] = []
  const listed: NetworkInterface[] = Object.entries(interfaces).map(([name, ips]) => ({
    name,
    addresses: ips.map((ip) => ({ family: ip.includes(':') ? 'ipv6' : 'ipv4', ip, prefixLength: 64 })),
  }))
  const fake: Network = {
    setsDontFragment: true,
    openUdp: notAsked,
    connectTcp: notAsked,
    traceHops: notAsked,
    defaultGateways: notAsked,
    interfaces: () => listed,
    sourceIpTowards: (to) => {
      asked.push(to)
      return Promise.resolve(source)
    },
  }
  return { fake, asked }
}

const IPV4: Gateway = { family: 'ipv4', ip: '192.168.1.1', interfaceName: 'eth0', metric: 1 }
const IPV6: Gateway = { family: 'ipv6', ip: 'fe80::1%eth0', interfaceName: 'eth0', metric: 1 }

test('IPv4: the kernel’s own choice towards the gateway', async (t) => {
  const { fake, asked } = network('192.168.1.10', { docker0: ['172.17.0.1'], eth0: ['192.168.1.10'] })
  t.is(await clientAddress(fake, IPV4), '192.168.1.10')
  t.is(asked[0]?.ip, '192.168.1.1')
  t.is(await clientAddress(network(undefined, {}).fake, IPV4), undefined)
})

test('IPv6: a global address on the gateway’s interface, the kernel’s favourite if it is there', async (t) => {
  const ips = ['fe80::10%eth0', 'fd00::10', '2001:db8:1::a', '2001:db8:1::b']
  t.is(await clientAddress(network('2001:db8:1::b', { eth0: ips }).fake, IPV6), '2001:db8:1::b')
  // Its favourite is a VPN's, or local.
  t.is(
    await clientAddress(network('2001:db8:9::9', { tun0: ['2001:db8:9::9'], eth0: ips }).fake, IPV6),
    '2001:db8:1::a',
  )
  t.is(await clientAddress(network('fd00::10', { eth0: ips }).fake, IPV6), '2001:db8:1::a')
  t.is(await clientAddress(network('fd00::10', { eth0: ips.slice(0, 2) }).fake, IPV6), undefined)
})
