import test from 'ava'
import { ReachError } from '../../../../lib/base/errors.ts'
import { CertificateCache } from '../../../../lib/identity/certificate/certificate-cache.ts'
import { selfSignedCertificate } from '../../../../lib/identity/issue/certificate-profiles.ts'
import { generateKeyPair } from '../../../../lib/identity/keys/key-pair.ts'

const NOW_MS = 1_800_000_000_000

test('the same bytes are the same certificate, others are not, and only the last few are kept', async (t) => {
  const cache = new CertificateCache()
  const certificates = await Promise.all(
    Array.from({ length: 9 }, () => selfSignedCertificate(generateKeyPair(), NOW_MS)),
  )
  const [first] = certificates
  if (first === undefined) return t.fail('no certificate')
  const decoded = cache.decode(Uint8Array.from(first.der))
  t.is(cache.decode(Uint8Array.from(first.der)), decoded)
  for (const other of certificates.slice(1)) t.is(cache.decode(other.der).spkiSha256, other.spkiSha256)
  t.not(cache.decode(first.der), decoded)
  t.is(cache.decode(first.der).spkiSha256, first.spkiSha256)
})

test('bytes that are no certificate are refused each time', (t) => {
  const cache = new CertificateCache()
  for (let attempt = 0; attempt < 2; attempt++) {
    const error = t.throws(() => cache.decode(Uint8Array.of(0x30, 0x00)))
    t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
  }
})

test('a signature is judged for each issuer by itself', async (t) => {
  const [keys, others] = [generateKeyPair(), generateKeyPair()]
  const certificate = await selfSignedCertificate(keys, NOW_MS)
  const stranger = await selfSignedCertificate(others, NOW_MS)
  for (let attempt = 0; attempt < 2; attempt++) {
    t.true(certificate.isIssuedBy(certificate))
    t.false(certificate.isIssuedBy(stranger))
  }
})
