import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import {
  IGD_SEARCH_TARGETS,
  IGD_SERVICE_SEARCH_TARGETS,
  SEARCH_ALL,
  decodeSearchResponse,
  encodeSearch,
  isInternetGateway,
  isPartOfGateway,
} from '../../../../lib/protocol/port-mapping/ssdp.ts'

const IGD = IGD_SEARCH_TARGETS[0]

/** The form of UPnP Device Architecture 1.1 §1.3.3. */
const RESPONSE = [
  'HTTP/1.1 200 OK',
  'CACHE-CONTROL: max-age=1800',
  'EXT:',
  'LOCATION: http://192.168.1.1:49152/rootDesc.xml',
  'SERVER: Linux/5.10 UPnP/1.1 MiniUPnPd/2.3',
  `ST: ${IGD}`,
  `USN: uuid:00000000-0000-0000-0000-000000000001::${IGD}`,
  '',
  '',
]

function bytesOf(lines: readonly string[], lineEnd = '\r\n'): Uint8Array {
  return new TextEncoder().encode(lines.join(lineEnd))
}

const EXPECTED = {
  searchTarget: IGD,
  location: 'http://192.168.1.1:49152/rootDesc.xml',
  server: 'Linux/5.10 UPnP/1.1 MiniUPnPd/2.3',
  usn: `uuid:00000000-0000-0000-0000-000000000001::${IGD}`,
  bootId: undefined,
}

test('searches as UPnP Device Architecture 1.1 §1.3.2 says', (t) => {
  t.is(
    new TextDecoder().decode(encodeSearch(IGD, '239.255.255.250:1900')),
    'M-SEARCH * HTTP/1.1\r\n' +
      'HOST: 239.255.255.250:1900\r\n' +
      'MAN: "ssdp:discover"\r\n' +
      'MX: 1\r\n' +
      'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n' +
      '\r\n',
  )
})

test('reads an answer, with CRLF or LF, header names in any case, and with spaces or without', (t) => {
  t.deepEqual(decodeSearchResponse(bytesOf(RESPONSE)), EXPECTED)
  t.deepEqual(decodeSearchResponse(bytesOf(RESPONSE, '\n')), EXPECTED)
  const lower = RESPONSE.map((line, i) =>
    i === 0 ? line : line.replace(/^[A-Z-]+/, (name) => name.toLowerCase()),
  )
  t.deepEqual(decodeSearchResponse(bytesOf(lower)), EXPECTED)
  const mixed = RESPONSE.map((line) => line.replace(/^LOCATION: /, 'LoCaTiOn:').replace(/^ST: /, 'St  :\t'))
  t.deepEqual(decodeSearchResponse(bytesOf(mixed)), EXPECTED)
})

test('the status line is of HTTP/1.0 or 1.1 and says 200', (t) => {
  const withStatus = (line: string) => bytesOf([line, ...RESPONSE.slice(1)])
  t.deepEqual(decodeSearchResponse(withStatus('HTTP/1.0 200')), EXPECTED)
  for (const line of ['HTTP/1.1 404 Not Found', 'HTTP/1.1 2000', 'NOTIFY * HTTP/1.1', ' HTTP/1.1 200 OK', ''])
    t.throws(() => decodeSearchResponse(withStatus(line)), { code: 'ERR_REACH_DECODE' })
})

test('an answer needs ST; location and server may be missing', (t) => {
  t.deepEqual(decodeSearchResponse(bytesOf(['HTTP/1.1 200 OK', `ST: ${IGD}`])), {
    searchTarget: IGD,
    location: undefined,
    server: undefined,
    usn: undefined,
    bootId: undefined,
  })
  t.throws(() => decodeSearchResponse(bytesOf(RESPONSE.filter((line) => !line.startsWith('ST:')))), {
    code: 'ERR_REACH_DECODE',
  })
})

test('every truncation before the type is complete is refused or is no gateway', (t) => {
  const whole = bytesOf(RESPONSE)
  const end = new TextDecoder().decode(whole).indexOf(IGD) + IGD.length - ':1'.length
  for (let length = 0; length < end; length++) {
    try {
      t.false(isInternetGateway(decodeSearchResponse(whole.subarray(0, length))))
    } catch (error) {
      t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
    }
  }
})

test('tells gateways of any version from other devices', (t) => {
  const of = (searchTarget: string) => isInternetGateway({ ...EXPECTED, searchTarget })
  for (const target of [...IGD_SEARCH_TARGETS, IGD.toUpperCase()]) t.true(of(target))
  for (const target of ['upnp:rootdevice', 'urn:schemas-upnp-org:device:MediaServer:1', `x${IGD}`, ''])
    t.false(of(target))
})

test('tells the parts of a gateway that map ports from other devices and services', (t) => {
  const of = (searchTarget: string) => isPartOfGateway({ ...EXPECTED, searchTarget })
  for (const target of [...IGD_SEARCH_TARGETS, ...IGD_SERVICE_SEARCH_TARGETS]) {
    t.true(of(target))
    t.true(of(target.toUpperCase()))
  }
  for (const target of ['upnp:rootdevice', SEARCH_ALL, 'urn:schemas-upnp-org:service:Layer3Forwarding:1', ''])
    t.false(of(target))
})

test('the boot id of UPnP Device Architecture 1.1 §1.3.3 is read, and what is no number is not', (t) => {
  const of = (text: string) =>
    decodeSearchResponse(bytesOf([...RESPONSE.slice(0, -2), `BOOTID.UPNP.ORG: ${text}`])).bootId
  t.is(of('1'), 1)
  t.is(of('4294967295'), 4_294_967_295)
  for (const text of ['', '-1', '0x1', '1.5', '12345678901']) t.is(of(text), undefined)
})

test('more than 4096 bytes, and arbitrary bytes, throw only ERR_REACH_DECODE', (t) => {
  const huge = bytesOf([...RESPONSE, 'x'.repeat(4096)])
  t.throws(() => decodeSearchResponse(huge), { code: 'ERR_REACH_DECODE' })
  const anyBytes = fc.uint8Array({ maxLength: 300 })
  const almost = fc
    .string({ unit: 'binary', maxLength: 200 })
    .map((text) => bytesOf(['HTTP/1.1 200 OK', `ST: ${text}`, text]))
  fc.assert(
    fc.property(fc.oneof(anyBytes, almost), (bytes) => {
      try {
        decodeSearchResponse(bytes)
      } catch (error) {
        if (!ReachError.is(error, 'ERR_REACH_DECODE')) throw error
      }
    }),
  )
  t.pass()
})
