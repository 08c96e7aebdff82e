/** The npm package node-forge, as far as the tests use it: an RSA certificate authority. */
declare module 'node-forge' {
  export interface ForgeKey {
    readonly n: unknown
  }

  export interface ForgeAttribute {
    readonly name: string
    readonly value: string
  }

  export interface ForgeCertificate {
    publicKey: ForgeKey
    serialNumber: string
    readonly validity: { notBefore: Date; notAfter: Date }
    setSubject(attributes: readonly ForgeAttribute[]): void
    setIssuer(attributes: readonly ForgeAttribute[]): void
    setExtensions(extensions: readonly Readonly<Record<string, unknown>>[]): void
    sign(key: ForgeKey, digest: unknown): void
  }

  const forge: {
    readonly pki: {
      readonly rsa: {
        generateKeyPair(options: { readonly bits: number }): {
          readonly publicKey: ForgeKey
          readonly privateKey: ForgeKey
        }
      }
      createCertificate(): ForgeCertificate
      certificateToPem(certificate: ForgeCertificate): string
      privateKeyToPem(key: ForgeKey): string
    }
    readonly md: { readonly sha256: { create(): unknown } }
  }
  export default forge
}
