/** Length of an IPv4 address. */
const IP_BYTES = 4

/**
 * Rewrites an endpoint inside a payload wherever its address stands in binary, as "helpful" routers do: it breaks
 * MAPPED-ADDRESS, which is why STUN has XOR-MAPPED-ADDRESS (RFC 8489 §14.2). With `withPort`, also the port right
 * before the address. Writes in place.
 */
export function rewriteEndpoints(
  payload: Uint8Array,
  from: { readonly ip: Uint8Array; readonly port: number },
  to: { readonly ip: Uint8Array; readonly port: number },
  withPort: boolean,
): void {
  for (let at = 0; at + IP_BYTES <= payload.length; at++) {
    if (!from.ip.every((byte, i) => payload[at + i] === byte)) continue
    payload.set(to.ip, at)
    const isPortBefore =
      at >= 2 && payload[at - 2] === from.port >> 8 && payload[at - 1] === (from.port & 0xff)
    if (withPort && isPortBefore) payload.set([to.port >> 8, to.port & 0xff], at - 2)
    at += IP_BYTES - 1
  }
}
