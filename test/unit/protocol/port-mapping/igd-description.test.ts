import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { parseGatewayUrl } from '../../../../lib/protocol/port-mapping/gateway-url.ts'
import { parseIgdDescription } from '../../../../lib/protocol/port-mapping/igd-description.ts'
import {
  FRITZ_BOX,
  GOOGLE_WIFI,
  HUAWEI_HG531,
  MIKROTIK,
  MINIUPNPD,
  PFSENSE,
} from '../../../vectors/igd-descriptions.ts'

const LOCATION = parseGatewayUrl('http://192.168.1.1:5000/rootDesc.xml', '192.168.1.1')

function parse(text: string) {
  return parseIgdDescription(new TextEncoder().encode(text), LOCATION)
}

function services(text: string): readonly string[] {
  return parse(text).services.map(
    ({ kind, version, control }) => `${kind}:${version} ${control.address.port}${control.path}`,
  )
}

test('routers’ descriptions lead to their services, in their order', (t) => {
  t.deepEqual(services(MINIUPNPD), ['wan-ip:2 5000/ctl/IPConn', 'ipv6-firewall:1 5000/ctl/IP6FCtl'])
  t.deepEqual(services(GOOGLE_WIFI), ['wan-ip:1 5000/ctl/IPConn'])
  t.deepEqual(services(HUAWEI_HG531), ['wan-ppp:1 5000/ctrlt/WANPPPConnection_1'])
  t.deepEqual(services(MIKROTIK), [
    'wan-ip:1 5000/upnp/control/bridge1/wanipconn-1',
    'wan-ppp:1 5000/upnp/control/pppoe1/wanpppconn-2',
    'wan-ip:1 5000/upnp/control/ether1/wanipconn-3',
  ])
  t.deepEqual(services(FRITZ_BOX), [
    'wan-ip:2 5000/igd2upnp/control/WANIPConn1',
    'ipv6-firewall:1 5000/igd2upnp/control/WANIPv6Firewall1',
  ])
})

test('a base on the same host counts, one elsewhere does not', (t) => {
  t.deepEqual(services(PFSENSE('http://192.168.1.1:2189/x')), ['wan-ip:1 2189/x/ctl/IPConn'])
  t.deepEqual(services(PFSENSE('http://192.168.1.2:2189/x')), ['wan-ip:1 5000/ctl/IPConn'])
  t.deepEqual(services(PFSENSE('')), ['wan-ip:1 5000/ctl/IPConn'])
})

test('name, model and identity are of the outermost device', (t) => {
  const { name, model, udn } = parse(PFSENSE(''))
  t.deepEqual(
    [name, model, udn],
    ['R&D firewall', 'R&D firewall', 'uuid:5ca1ab1e-0000-4000-8000-00000000000a'],
  )
  t.is(parse(HUAWEI_HG531).name, 'HG531')
})

test('the service type is kept letter by letter', (t) => {
  t.is(parse(HUAWEI_HG531).services[0]?.serviceType, 'urn:schemas-upnp-org:service:WANPPPConnection:1')
})

test('services without a control URL, of other types, or beyond sixteen are left out', (t) => {
  t.deepEqual(services(GOOGLE_WIFI.replace('>/ctl/IPConn<', '><')), [])
  t.deepEqual(services(GOOGLE_WIFI.replaceAll('WANIPConnection', 'Layer3Forwarding')), [])
  const one =
    '<service><serviceType>urn:x:service:WANIPConnection:1</serviceType><controlURL>/c</controlURL></service>'
  t.is(services(`<root>${one.repeat(40)}</root>`).length, 16)
})

test('arbitrary and damaged descriptions never lead to another host, and throw ERR_REACH_DECODE alone', (t) => {
  const texts = [MINIUPNPD, HUAWEI_HG531, FRITZ_BOX, PFSENSE('http://192.168.1.1:1')]
  const damaged = fc
    .tuple(
      fc.constantFrom(...texts),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.nat(30),
      fc.oneof(fc.string(), fc.webUrl()),
    )
    .map(([text, where, length, put]) => {
      const at = Math.floor(where * text.length)
      return new TextEncoder().encode(text.slice(0, at) + put + text.slice(at + length))
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (bytes) => {
      try {
        const found = parseIgdDescription(bytes, LOCATION).services
        return found.every(({ control }) => control.address.ip === '192.168.1.1')
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
