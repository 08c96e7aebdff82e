import { hex } from './rfc5769.ts'
import type { StunVector } from './rfc5769.ts'

/**
 * Replies of coturn 4.6.1 (Debian 12), captured on loopback: `turnserver -n -L 127.0.0.1 -L 127.0.0.2 -L ::1
 * -L 2001:db8::a -p 3478 --alt-listening-port 3479 --stun-only`, client at port 40000, transaction id 01 … 0c. The
 * challenge is from `--secure-stun --lt-cred-mech -r example.org`.
 */
const ID = '01020304 05060708 090a0b0c'
const COTURN = '8022 0014 436f7475 726e2d34 2e362e31 2027476f 72737427' // SOFTWARE "Coturn-4.6.1 'Gorst'"

/** A Binding success over IPv4. */
export const coturnIpv4 = vector(
  'coturn 4.6.1, IPv4',
  '0101 0048 2112a442',
  ID,
  '0020 0008 0001 bd52 5e12a443', // XOR-MAPPED-ADDRESS 127.0.0.1:40000
  '0001 0008 0001 9c40 7f000001', // MAPPED-ADDRESS
  '802b 0008 0001 0d96 7f000001', // RESPONSE-ORIGIN 127.0.0.1:3478
  '802c 0008 0001 0d97 7f000002', // OTHER-ADDRESS 127.0.0.2:3479
  COTURN,
)

/** A Binding success over IPv6. */
export const coturnIpv6 = vector(
  'coturn 4.6.1, IPv6',
  '0101 0078 2112a442',
  ID,
  '0020 0014 0002 bd52 2112a442 01020304 05060708 090a0b0d', // XOR-MAPPED-ADDRESS [::1]:40000
  '0001 0014 0002 9c40 00000000 00000000 00000000 00000001', // MAPPED-ADDRESS
  '802b 0014 0002 0d96 00000000 00000000 00000000 00000001', // RESPONSE-ORIGIN [::1]:3478
  '802c 0014 0002 0d97 20010db8 00000000 00000000 0000000a', // OTHER-ADDRESS [2001:db8::a]:3479
  COTURN,
)

/** 420 to attribute 0x7123. Its reason phrase counts the zero padding into its length. */
export const coturnUnknownAttribute = vector(
  'coturn 4.6.1, 420',
  '0111 003c 2112a442',
  ID,
  '0009 0018 00000414 556e6b6e 6f776e20 41747472 69627574 65000000', // ERROR-CODE 420 "Unknown Attribute"
  '000a 0002 7123 0000', // UNKNOWN-ATTRIBUTES
  COTURN,
)

/** To a request of RFC 3489 with transaction id 01020304 and ID. SOFTWARE (then SERVER) counts its zero padding, too. */
export const coturnLegacy = vector(
  'coturn 4.6.1, RFC 3489',
  '0101 0040 01020304',
  ID,
  '0001 0008 0001 9c40 7f000001', // MAPPED-ADDRESS 127.0.0.1:40000
  '0004 0008 0001 0d96 7f000001', // SOURCE-ADDRESS 127.0.0.1:3478
  '0005 0008 0001 0d97 7f000002', // CHANGED-ADDRESS 127.0.0.2:3479
  '8022 0018 436f7475 726e2d34 2e362e31 2027476f 72737427 00000000',
)

/** The 401 that starts the long-term credential's flow. */
export const coturnChallenge = vector(
  'coturn 4.6.1, 401',
  '0111 0050 2112a442',
  ID,
  '0009 0010 00000401 556e6175 74686f72 697a6564', // ERROR-CODE 401 "Unauthorized"
  '0015 0010 39353138 39346436 63343064 61346535', // NONCE "951894d6c40da4e5"
  '0014 000b 6578616d 706c652e 6f726700', // REALM "example.org"
  COTURN,
)

/** The same server's success to `alice` with password `wonder land`. */
export const coturnAuthenticated = vector(
  'coturn 4.6.1, long-term',
  '0101 0054 2112a442',
  '8db4f0bd 65f0eb89 354711f1',
  '0020 0008 0001 bd52 5e12a443',
  '0001 0008 0001 9c40 7f000001',
  '802b 0008 0001 0d96 7f000001',
  COTURN,
  '0008 0014 5b4562de 55287cf8 3faa9eb6 0f77df44 e3ff3452', // MESSAGE-INTEGRITY
)

export const coturnVectors: readonly StunVector[] = [
  coturnIpv4,
  coturnIpv6,
  coturnUnknownAttribute,
  coturnLegacy,
  coturnChallenge,
  coturnAuthenticated,
]

function vector(source: string, ...parts: readonly string[]): StunVector {
  return { source, bytes: hex(...parts) }
}
