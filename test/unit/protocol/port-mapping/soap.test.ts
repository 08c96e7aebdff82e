import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { decodeSoapAnswer, encodeSoapCall } from '../../../../lib/protocol/port-mapping/soap.ts'
import { findElement, parseXml } from '../../../../lib/protocol/port-mapping/xml.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text)
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'

const FAULT = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>
  <faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>
  <UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>718</errorCode><errorDescription>ConflictInMappingEntry</errorDescription></UPnPError>
  </detail></s:Fault></s:Body></s:Envelope>`

test('a call is written as UPnP Device Architecture 1.1 §3.2.1 says, arguments in order', (t) => {
  const { headers, body } = encodeSoapCall({
    serviceType: SERVICE,
    action: 'DeletePortMapping',
    args: [
      ['NewRemoteHost', ''],
      ['NewExternalPort', '80'],
      ['NewProtocol', 'TCP'],
    ],
  })
  t.is(
    new TextDecoder().decode(body),
    '<?xml version="1.0"?>\r\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:DeletePortMapping xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1"><NewRemoteHost></NewRemoteHost><NewExternalPort>80</NewExternalPort><NewProtocol>TCP</NewProtocol></u:DeletePortMapping></s:Body></s:Envelope>\r\n',
  )
  t.deepEqual(headers, {
    'Content-Type': 'text/xml; charset="utf-8"',
    'Content-Length': String(body.length),
    SOAPAction: '"urn:schemas-upnp-org:service:WANIPConnection:1#DeletePortMapping"',
  })
})

test('no argument gets out of its element', (t) => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const value = text.replaceAll(/[\p{Cc}\s]/gu, '')
      const { body } = encodeSoapCall({ serviceType: SERVICE, action: 'A', args: [['B', value]] })
      const call = findElement(parseXml(body), 'a')
      return call?.children.length === 1 && call.children[0]?.text === value
    }),
  )
  t.pass()
})

test('a result is read under any prefix and in any case', (t) => {
  for (const text of [
    '<s:Envelope><s:Body><u:GetExternalIPAddressResponse><NewExternalIPAddress>192.0.2.1</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body></s:Envelope>',
    '<envelope><BODY><getexternalipaddressRESPONSE><m:newexternalIPaddress> 192.0.2.1\r\n</m:newexternalIPaddress></getexternalipaddressRESPONSE></BODY></envelope>',
  ])
    t.deepEqual(decodeSoapAnswer(200, bytesOf(text), 'GetExternalIPAddress'), {
      kind: 'done',
      values: new Map([['newexternalipaddress', '192.0.2.1']]),
    })
})

test('a fault is a fault under whatever status and prefix', (t) => {
  const expected = { kind: 'fault', code: 718, description: 'ConflictInMappingEntry' } as const
  for (const status of [200, 402, 500, 501])
    t.deepEqual(decodeSoapAnswer(status, bytesOf(FAULT), 'X'), expected)
  t.deepEqual(decodeSoapAnswer(500, bytesOf(FAULT.replaceAll('s:', 'SOAP-ENV:').toUpperCase()), 'X'), {
    ...expected,
    description: 'CONFLICTINMAPPINGENTRY',
  })
  const bare = '<fault><detail><errorCode> 402 </errorCode></detail></fault>'
  t.deepEqual(decodeSoapAnswer(500, bytesOf(bare), 'X'), { kind: 'fault', code: 402, description: '' })
  const long = FAULT.replace('ConflictInMappingEntry', 'x'.repeat(1000))
  t.like(decodeSoapAnswer(500, bytesOf(long), 'X'), { description: 'x'.repeat(200) })
})

test('nothing at all is a result under status 200 only; what is neither result nor fault is refused', (t) => {
  t.deepEqual(decodeSoapAnswer(200, new Uint8Array(), 'X'), { kind: 'done', values: new Map() })
  const refused = { code: 'ERR_REACH_DECODE' }
  t.throws(() => decodeSoapAnswer(500, new Uint8Array(), 'X'), refused)
  t.throws(() => decodeSoapAnswer(200, bytesOf('<html><body>Log in</body></html>'), 'X'), refused)
  t.throws(() => decodeSoapAnswer(200, bytesOf('<a><YResponse/></a>'), 'X'), refused)
  t.throws(() => decodeSoapAnswer(404, bytesOf('<a><XResponse/></a>'), 'X'), refused)
  t.throws(() => decodeSoapAnswer(500, bytesOf('<fault><errorCode>none</errorCode></fault>'), 'X'), refused)
})

test('arbitrary and damaged answers throw ERR_REACH_DECODE alone', (t) => {
  const damaged = fc
    .tuple(fc.nat(FAULT.length), fc.nat(40), fc.string())
    .map(([at, length, text]) => bytesOf(FAULT.slice(0, at) + text + FAULT.slice(at + length)))
  fc.assert(
    fc.property(fc.nat(999), fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (status, bytes) => {
      try {
        const answer = decodeSoapAnswer(status, bytes, 'X')
        return answer.kind === 'done' || Number.isInteger(answer.code)
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
