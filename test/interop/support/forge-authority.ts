import forge from 'node-forge'

/** A root and an issuing CA below it, in PEM. */
export interface ForgeAuthority {
  readonly root: string
  readonly issuing: string
  readonly issuingKey: string
}

const DAY_MS = 86_400_000
const ROOT_NAME = [
  { name: 'organizationName', value: 'Forged Ltd' },
  { name: 'commonName', value: 'Forged Root' },
]

/** Makes them with node-forge, which knows RSA alone. */
export function forgeAuthority(): ForgeAuthority {
  const rootKeys = forge.pki.rsa.generateKeyPair({ bits: 2048 })
  const keys = forge.pki.rsa.generateKeyPair({ bits: 2048 })
  const make = (subject: typeof ROOT_NAME, publicKey: typeof keys.publicKey, serialNumber: string) => {
    const certificate = forge.pki.createCertificate()
    certificate.publicKey = publicKey
    certificate.serialNumber = serialNumber
    certificate.validity.notBefore = new Date(Date.now() - DAY_MS)
    certificate.validity.notAfter = new Date(Date.now() + DAY_MS)
    certificate.setSubject(subject)
    certificate.setIssuer(ROOT_NAME)
    certificate.setExtensions([
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
      { name: 'subjectKeyIdentifier' },
    ])
    certificate.sign(rootKeys.privateKey, forge.md.sha256.create())
    return forge.pki.certificateToPem(certificate)
  }
  return {
    root: make(ROOT_NAME, rootKeys.publicKey, '01'),
    issuing: make([{ name: 'commonName', value: 'Forged Issuing' }], keys.publicKey, '7f02'),
    issuingKey: forge.pki.privateKeyToPem(keys.privateKey),
  }
}
