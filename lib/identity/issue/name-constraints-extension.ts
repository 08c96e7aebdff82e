import type { Extension } from '@peculiar/x509'
import { EXTENSION_OID } from '../certificate/extensions.ts'
import type { X509Library } from './x509-library.ts'

/**
 * NameConstraints (RFC 5280 §4.2.1.10), critical: DNS names in the domain, URIs with a host below it, and no IP address
 * at all. What a stolen intermediate signs outside its network is refused by OpenSSL, too.
 */
export function nameConstraintsExtension(x509: X509Library, domain: string): Extension {
  const ascii = (text: string) => Uint8Array.from(Buffer.from(text, 'ascii'))
  const permitted = [subtree(2, ascii(domain)), subtree(6, ascii(`.${domain}`))]
  // An address of all zeros with a mask of all zeros is every address.
  const excluded = [subtree(7, new Uint8Array(8)), subtree(7, new Uint8Array(32))]
  const value = tlv(0x30, concat([tlv(0xa0, concat(permitted)), tlv(0xa1, concat(excluded))]))
  return new x509.Extension(EXTENSION_OID.nameConstraints, true, value)
}

/** A GeneralSubtree with nothing but its base. */
function subtree(type: number, base: Uint8Array): Uint8Array {
  return tlv(0x30, tlv(0x80 | type, base))
}

function tlv(tag: number, content: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = content
  const header =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Uint8Array.of(...header, ...content)
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
