import test from 'ava'
import { X509Certificate, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { claimOf } from '../../../../lib/identity/certificate/claim.ts'
import { KEY_USAGE } from '../../../../lib/identity/certificate/extensions.ts'
import { decodePem } from '../../../../lib/identity/certificate/pem.ts'
import {
  BACKDATE_MS,
  INTERMEDIATE_LIFETIME_MS,
  LEAF_LIFETIME_MS,
  ROOT_LIFETIME_MS,
  crossSign,
  issueIntermediate,
  issueLeaf,
  issueRoot,
  newSerial,
  selfSignedCertificate,
} from '../../../../lib/identity/issue/certificate-profiles.ts'
import {
  checkCertificateRequest,
  makeCertificateRequest,
} from '../../../../lib/identity/issue/certificate-request.ts'
import { CRL_LIFETIME_MS, makeRevocationList } from '../../../../lib/identity/issue/revocation-list.ts'
import { signingKeyOf, spkiOf } from '../../../../lib/identity/issue/signing-key.ts'
import { loadX509 } from '../../../../lib/identity/issue/x509-library.ts'
import { generateKeyPair } from '../../../../lib/identity/keys/key-pair.ts'
import { NOW_MS, aCertificate, aNetwork, newKey, rejection } from '../../../support/identity.ts'

const network = await aNetwork('net.example', NOW_MS)

test('a root is a CA for twenty years that signs certificates and lists, and nothing else', async (t) => {
  const keys = generateKeyPair()
  const root = await issueRoot('net.example', keys.privateKey, NOW_MS)
  t.deepEqual(root.extensions.basicConstraints, { isCa: true, pathLength: undefined })
  t.deepEqual([...(root.extensions.keyUsage ?? [])], [KEY_USAGE.keyCertSign, KEY_USAGE.crlSign])
  t.deepEqual(root.extensions.names, { dns: [], uris: [], otherTypes: [] })
  t.is(root.notBeforeMs, NOW_MS - BACKDATE_MS)
  t.is(root.notAfterMs, NOW_MS + ROOT_LIFETIME_MS)
  t.is(root.peerId, keys.peerId)
  t.regex(root.subject, /CN=p2p-reach root [0-9a-f]{8}, O=net\.example/)
})

test('two roots of one network have names of their own', async (t) => {
  const other = await aNetwork('net.example', NOW_MS)
  t.not(other.root.subject, network.root.subject)
  t.not(other.intermediate.subject, network.intermediate.subject)
})

test('an intermediate may have nothing below it but members of its domain', (t) => {
  const { extensions, notAfterMs } = network.intermediate
  t.deepEqual(extensions.basicConstraints, { isCa: true, pathLength: 0 })
  t.deepEqual(extensions.nameConstraints?.permitted.dns, ['net.example'])
  t.is(notAfterMs, NOW_MS + INTERMEDIATE_LIFETIME_MS)
})

test('a leaf is a member for a day, with its name, roles and purposes', async (t) => {
  const keys = generateKeyPair()
  const subject = {
    name: 'alice',
    domain: 'net.example',
    roles: ['peer', 'relay'] as const,
    spki: spkiOf(keys.publicKey),
  }
  const leaf = await issueLeaf(subject, network.issuer, NOW_MS)
  t.deepEqual(claimOf(leaf), { name: 'alice', domain: 'net.example', roles: ['peer', 'relay'] })
  t.is(leaf.notBeforeMs, NOW_MS - BACKDATE_MS)
  t.is(leaf.notAfterMs, NOW_MS + LEAF_LIFETIME_MS)
  t.is(leaf.peerId, keys.peerId)
  t.is(leaf.subject, 'CN=alice')
  t.true(new X509Certificate(leaf.der).checkIssued(new X509Certificate(network.intermediate.der)))
})

test('nothing outlives its issuer', async (t) => {
  const short = await aCertificate({ ca: {}, notAfterMs: NOW_MS + 60_000 })
  const { spki } = { spki: spkiOf(newKey('ed25519')) }
  const leaf = await issueLeaf({ name: 'a', domain: 'net.example', roles: ['peer'], spki }, short, NOW_MS)
  const intermediate = await issueIntermediate('net.example', spki, short, NOW_MS)
  const cross = await crossSign(network.root, short, NOW_MS)
  for (const { notAfterMs } of [leaf, intermediate, cross]) t.is(notAfterMs, NOW_MS + 60_000)
})

test('a cross-signed root has the name and key of the root, and who signed it as issuer', async (t) => {
  const other = await aNetwork('net.example', NOW_MS)
  const cross = await crossSign(other.root, network.rootIssuer, NOW_MS)
  t.deepEqual(cross.subjectDer, other.root.subjectDer)
  t.is(cross.spkiSha256, other.root.spkiSha256)
  t.true(cross.isIssuedBy(network.root))
  t.true(other.intermediate.isIssuedBy(cross))
})

test('a self-signed certificate vouches for nothing', async (t) => {
  const keys = generateKeyPair()
  const certificate = await selfSignedCertificate(keys, NOW_MS)
  t.is(certificate.peerId, keys.peerId)
  t.is(claimOf(certificate), undefined)
  t.false(certificate.extensions.basicConstraints.isCa)
  t.true(certificate.isIssuedBy(certificate))
})

test('serial numbers are positive, of 16 bytes, and all different (RFC 5280 §4.1.2.2)', (t) => {
  const serials = Array.from({ length: 2000 }, () => newSerial())
  for (const serial of serials) {
    t.is(serial.length, 16)
    t.true((serial[0] ?? 0) >= 0x40 && (serial[0] ?? 0) < 0x80)
  }
  t.is(new Set(serials.map((serial) => Buffer.from(serial).toString('hex'))).size, serials.length)
})

test('keys that are too weak or can’t sign issue nothing', async (t) => {
  for (const key of [
    generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey,
    generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey,
    generateKeyPairSync('x25519').privateKey,
  ]) {
    const error = await rejection(t, signingKeyOf(key), 'ERR_REACH_KEY_FILE')
    t.regex(error.hint ?? '', /Ed25519, EC .*RSA/)
  }
})

test('a request proves possession of its key, and asks for nothing else', async (t) => {
  const keys = generateKeyPair()
  const checked = await checkCertificateRequest(await makeCertificateRequest(keys))
  t.is(checked.peerId, keys.peerId)
  t.deepEqual(checked.spki, spkiOf(keys.publicKey))
})

test('a request whose signed bytes or signature were changed is refused; none ever proves another key', async (t) => {
  const keys = generateKeyPair()
  const request = await makeCertificateRequest(keys)
  // SEQUENCE { info, AlgorithmIdentifier of 7 bytes, BIT STRING of 67 }: the library reads what is around them laxly.
  const [info, signature] = [request.length - 67 - 7, request.length - 64]
  await fc.assert(
    fc.asyncProperty(
      fc.nat({ max: request.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (at, flip) => {
        const forged = Uint8Array.from(request)
        forged[at] = (forged[at] ?? 0) ^ flip
        const checking = checkCertificateRequest(forged)
        if ((at >= 3 && at < info) || at >= signature)
          await rejection(t, checking, 'ERR_REACH_REQUEST_REFUSED')
        else
          await checking
            .then(({ peerId }) => t.is(peerId, keys.peerId))
            .catch(() => rejection(t, checking, 'ERR_REACH_REQUEST_REFUSED'))
      },
    ),
    { numRuns: 300 },
  )
})

test('what is no request, cut off or huge is refused', async (t) => {
  const request = await makeCertificateRequest(generateKeyPair())
  for (let length = 0; length < request.length; length++) {
    await rejection(t, checkCertificateRequest(request.subarray(0, length)), 'ERR_REACH_REQUEST_REFUSED')
  }
  await rejection(t, checkCertificateRequest(network.root.der), 'ERR_REACH_REQUEST_REFUSED')
  await rejection(t, checkCertificateRequest(new Uint8Array(5000)), 'ERR_REACH_REQUEST_REFUSED', /5000 bytes/)
})

test('a revocation list names who is revoked since when, until when it is good, and is signed (RFC 5280 §5)', async (t) => {
  const pem = await makeRevocationList(
    [
      { serial: '4aff', revokedAtMs: NOW_MS - 5000 },
      { serial: '00f0', revokedAtMs: NOW_MS },
    ],
    network.issuer,
    NOW_MS,
  )
  const [bytes = new Uint8Array()] = decodePem(pem, 'X509 CRL')
  const x509 = await loadX509()
  const crl = new x509.X509Crl(Uint8Array.from(bytes))
  t.deepEqual(
    crl.entries.map(({ serialNumber, revocationDate }) => [
      serialNumber.replace(/^00/, ''),
      revocationDate.getTime(),
    ]),
    [
      ['4aff', NOW_MS - 5000],
      ['f0', NOW_MS],
    ],
  )
  t.is(crl.thisUpdate.getTime(), NOW_MS)
  t.is(crl.nextUpdate?.getTime(), NOW_MS + CRL_LIFETIME_MS)
  const by = new x509.X509Certificate(Uint8Array.from(network.intermediate.der))
  t.true(await crl.verify({ publicKey: by }))
})
