import test from 'ava'
import fc from 'fast-check'
import { X509Certificate } from 'node:crypto'
import {
  Certificate,
  certificatesFromPem,
  isSameCertificate,
} from '../../../../lib/identity/certificate/certificate.ts'
import { decodePem, encodePem } from '../../../../lib/identity/certificate/pem.ts'
import type { KeyType } from '../../../support/identity.ts'
import {
  DAY_MS,
  NOW_MS,
  aCertificate,
  aMember,
  aNetwork,
  der,
  newKey,
  refusal,
  rejection,
} from '../../../support/identity.ts'

const network = await aNetwork()
const alice = await aMember(network, { roles: ['peer', 'admin'] })

for (const type of ['ed25519', 'P-256', 'P-384', 'RSA-2048'] as const satisfies readonly KeyType[]) {
  test(`fields of a certificate with a key of type ${type} are what Node’s X509Certificate says`, async (t) => {
    const { certificate } = await aCertificate({
      key: newKey(type),
      dns: ['Relay.Example', 'b.example'],
      uris: ['p2p-reach://a.example/peer'],
      emails: ['a@b.example'],
    })
    const node = new X509Certificate(certificate.der)
    t.is(certificate.serial, node.serialNumber.toLowerCase())
    t.is(certificate.notBeforeMs, Date.parse(node.validFrom))
    t.is(certificate.notAfterMs, Date.parse(node.validTo))
    t.is(certificate.subject, node.subject)
    t.deepEqual(certificate.extensions.names.dns, ['relay.example', 'b.example'])
    t.deepEqual(certificate.extensions.names.uris, ['p2p-reach://a.example/peer'])
    t.deepEqual(certificate.extensions.names.otherTypes, [1])
    t.is(certificate.peerId === undefined, type !== 'ed25519')
    t.true(certificate.publicKey.equals(node.publicKey))
    t.true(certificate.isIssuedBy(certificate))
  })
}

test('tells what it says of itself', (t) => {
  const { extensions } = network.intermediate
  t.deepEqual(extensions.basicConstraints, { isCa: true, pathLength: 0 })
  t.deepEqual([...(extensions.keyUsage ?? [])], [5, 6])
  t.deepEqual(extensions.nameConstraints?.permitted, {
    dns: ['net.example'],
    uris: ['.net.example'],
    otherTypes: [],
  })
  t.deepEqual(extensions.nameConstraints?.excluded.otherTypes, [7, 7])
  t.deepEqual(extensions.unknownCritical, [])
  t.deepEqual(alice.leaf.extensions.basicConstraints, { isCa: false, pathLength: undefined })
  t.deepEqual(alice.leaf.extensions.extendedKeyUsage, ['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1'])
  t.is(alice.leaf.peerId, alice.keys.peerId)
})

test('who issued it: by name and by signature, both', async (t) => {
  t.true(alice.leaf.isIssuedBy(network.intermediate))
  t.false(alice.leaf.isIssuedBy(network.root))
  t.true(network.root.isIssuedBy(network.root))
  const sameName = await aCertificate({ subject: network.intermediate, ca: {} })
  t.false(alice.leaf.isIssuedBy(sameName.certificate), 'the name alone')
  const sameKey = await aCertificate({ key: network.issuer.privateKey, ca: {} })
  t.false(alice.leaf.isIssuedBy(sameKey.certificate), 'the key alone')
  const rsa = await aCertificate({ subject: network.intermediate, key: newKey('RSA-2048'), ca: {} })
  t.false(alice.leaf.isIssuedBy(rsa.certificate), 'a key of another type')
})

test('each truncation, and bytes after the end, are ERR_REACH_DECODE', (t) => {
  for (const { der: bytes } of [alice.leaf, network.intermediate]) {
    for (let length = 0; length < bytes.length; length++) {
      refusal(t, () => Certificate.decode(bytes.subarray(0, length)), 'ERR_REACH_DECODE')
    }
    refusal(t, () => Certificate.decode(Uint8Array.of(...bytes, 0)), 'ERR_REACH_DECODE')
  }
})

test('arbitrary and mutated bytes throw nothing but ERR_REACH_DECODE, and a mutated one is never signed', (t) => {
  const { der: bytes } = alice.leaf
  const mutated = fc.array(fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 })), {
    minLength: 1,
    maxLength: 4,
  })
  let read = 0
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (change) => {
      const input = change instanceof Uint8Array ? change : Uint8Array.from(bytes)
      if (!(change instanceof Uint8Array)) for (const [at, value] of change) input[at] = value
      try {
        const certificate = Certificate.decode(input)
        read++
        t.is(certificate.isIssuedBy(network.intermediate), isSameCertificate(certificate, alice.leaf))
        t.true(certificate.subject.length >= 0 && certificate.pem.length > 0)
      } catch {
        refusal(t, () => Certificate.decode(input), 'ERR_REACH_DECODE')
      }
    }),
    { numRuns: 3000 },
  )
  t.true(read > 100, `${read} could be read`)
})

test('an extension that stands there twice is refused (RFC 5280 §4.2)', async (t) => {
  const twice = aCertificate({
    dns: ['a.example'],
    extensions: (x509) => [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'b.example' }])],
  })
  await t.throwsAsync(twice, { code: 'ERR_REACH_DECODE', message: /2\.5\.29\.17 stands there twice/ })
})

test('a critical extension that nobody knows is told, and one that is not critical is passed over', async (t) => {
  const withOne = (critical: boolean) =>
    aCertificate({ extensions: (x509) => [new x509.Extension('1.2.3.4', critical, Uint8Array.of(5, 0))] })
  t.deepEqual((await withOne(true)).certificate.extensions.unknownCritical, ['1.2.3.4'])
  t.deepEqual((await withOne(false)).certificate.extensions.unknownCritical, [])
})

const crooked: readonly (readonly [string, string, Uint8Array])[] = [
  ['bytes after basic constraints', '2.5.29.19', Uint8Array.of(0x30, 0, 0x05, 0)],
  [
    'bytes after names',
    '2.5.29.17',
    Buffer.concat([der(0x30, der(0x82, Buffer.from('a.b'))), Uint8Array.of(5, 0)]),
  ],
  ['a path length below zero', '2.5.29.19', der(0x30, Uint8Array.of(1, 1, 0xff, 2, 1, 0xff))],
  ['a name with a zero byte', '2.5.29.17', der(0x30, der(0x82, Buffer.from('good.example\0.evil')))],
  ['257 names', '2.5.29.17', der(0x30, ...Array.from({ length: 257 }, () => der(0x82, Buffer.from('a'))))],
  [
    'a subtree with a minimum',
    '2.5.29.30',
    der(0x30, der(0xa0, der(0x30, der(0x82, Buffer.from('a')), der(0x80, Uint8Array.of(1))))),
  ],
  ['no names at all', '2.5.29.17', new Uint8Array()],
]

for (const [what, oid, value] of crooked) {
  test(`an extension with ${what} is refused`, async (t) => {
    const made =
      oid === '2.5.29.19'
        ? aCertificate({ basicConstraints: value })
        : aCertificate({ extensions: (x509) => [new x509.Extension(oid, false, Uint8Array.from(value))] })
    const error = await rejection(t, made, 'ERR_REACH_DECODE')
    t.notRegex(error.message, /twice/)
  })
}

test('versions before 3 are refused: they can’t say what they are for', (t) => {
  // X.509 version 3 is [0] { 2 }; the same with 1.
  const bytes = Uint8Array.from(alice.leaf.der)
  const at = Buffer.from(bytes).indexOf(Buffer.from('a003020102', 'hex'))
  bytes[at + 4] = 1
  refusal(t, () => Certificate.decode(bytes), 'ERR_REACH_DECODE')
})

test('more than 16 KiB are no certificate', (t) => {
  refusal(t, () => Certificate.decode(new Uint8Array(16 * 1024 + 1)), 'ERR_REACH_DECODE', /16385 bytes/)
})

test('what it is made from may change later', (t) => {
  const bytes = Uint8Array.from(alice.leaf.der)
  const certificate = Certificate.decode(bytes)
  bytes.fill(0)
  t.true(certificate.isIssuedBy(network.intermediate))
  t.true(isSameCertificate(certificate, alice.leaf))
})

test('PEM: several, with text between them, in their order (RFC 7468)', (t) => {
  const text = `subject=alice\r\n${alice.chain.map(({ pem }) => pem.replaceAll('\n', '\r\n')).join('# and\n')}`
  t.deepEqual(
    certificatesFromPem(text).map(({ serial }) => serial),
    alice.chain.map(({ serial }) => serial),
  )
  t.is(Certificate.fromPem(text).serial, alice.leaf.serial)
  t.is(new X509Certificate(alice.leaf.pem).toString(), alice.leaf.pem)
  refusal(
    t,
    () => Certificate.fromPem(network.issuer.certificate.pem.replaceAll('CERTIFICATE', 'CRL')),
    'ERR_REACH_DECODE',
  )
})

test('PEM: bytes come back as they were; what is no base64, and too many, are ERR_REACH_DECODE', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
      const text = encodePem('THING', bytes)
      t.true(text.split('\n').every((line) => line.length <= 64))
      t.deepEqual(decodePem(text, 'THING'), [bytes])
      t.deepEqual(decodePem(text, 'OTHER'), [])
    }),
  )
  for (const body of ['!!!!', 'AA=A', 'AA===', '', 'Proc-Type: 4,ENCRYPTED'])
    refusal(
      t,
      () => decodePem(`-----BEGIN X-----\n${body.replace('-', '_')}\n-----END X-----`, 'X'),
      'ERR_REACH_DECODE',
    )
  refusal(t, () => decodePem(encodePem('X', Uint8Array.of(1)).repeat(17), 'X'), 'ERR_REACH_DECODE')
})

test('dates are those of the certificate to the second', async (t) => {
  const { certificate } = await aCertificate({
    notBeforeMs: NOW_MS + 999,
    notAfterMs: Date.UTC(2051, 0, 1) + DAY_MS,
  })
  t.is(certificate.notBeforeMs, NOW_MS)
  t.is(certificate.notAfterMs, Date.UTC(2051, 0, 2))
})
