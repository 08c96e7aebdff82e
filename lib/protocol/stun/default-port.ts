/** RFC 8489 §18.6: STUN over UDP and TCP. */
export const DEFAULT_STUN_PORT = 3478
