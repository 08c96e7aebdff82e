import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { decodeNotify, deviceOfUsn } from '../../../../lib/protocol/port-mapping/ssdp-notify.ts'

const USN = 'uuid:00000000-0000-0000-0000-00000000000A::upnp:rootdevice'

function notify(...headers: readonly string[]): Uint8Array {
  return new TextEncoder().encode(['NOTIFY * HTTP/1.1', ...headers, '', ''].join('\r\n'))
}

test('reads the three kinds of UPnP Device Architecture 1.1 §1.2', (t) => {
  t.deepEqual(decodeNotify(notify('Nts: ssdp:alive', `USN:${USN}`, 'BOOTID.UPNP.ORG: 5')), {
    kind: 'alive',
    usn: USN,
    bootId: 5,
    nextBootId: undefined,
  })
  t.like(decodeNotify(notify('NTS: ssdp:byebye', `USN: ${USN}`)), { kind: 'byebye', bootId: undefined })
  t.like(
    decodeNotify(notify('NTS: SSDP:UPDATE', `USN: ${USN}`, 'BOOTID.UPNP.ORG: 5', 'NEXTBOOTID.UPNP.ORG: 6')),
    { kind: 'update', bootId: 5, nextBootId: 6 },
  )
})

test('searches, answers, and what lacks kind or name are refused', (t) => {
  const refused = { code: 'ERR_REACH_DECODE' }
  const text = (line: string) => new TextEncoder().encode(`${line}\r\nNTS: ssdp:alive\r\nUSN: ${USN}\r\n\r\n`)
  for (const line of ['M-SEARCH * HTTP/1.1', 'HTTP/1.1 200 OK', 'NOTIFY / HTTP/1.1', ''])
    t.throws(() => decodeNotify(text(line)), refused)
  t.throws(() => decodeNotify(notify('NTS: ssdp:alive')), refused)
  t.throws(() => decodeNotify(notify(`USN: ${USN}`)), refused)
  t.throws(() => decodeNotify(notify('NTS: ssdp:other', `USN: ${USN}`)), refused)
  t.throws(() => decodeNotify(notify('NTS: constructor', `USN: ${USN}`)), refused)
})

test('a device is known by the first part of its names', (t) => {
  t.is(deviceOfUsn(USN), 'uuid:00000000-0000-0000-0000-00000000000a')
  t.is(deviceOfUsn('uuid:1'), 'uuid:1')
})

test('arbitrary bytes throw only ERR_REACH_DECODE', (t) => {
  const almost = fc
    .string({ unit: 'binary', maxLength: 200 })
    .map((text) => notify(`NTS: ${text}`, `USN: ${text}`, text))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), almost), (bytes) => {
      try {
        return decodeNotify(bytes).usn.length >= 0
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})
