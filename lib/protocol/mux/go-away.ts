/** Why a session ends: the length field of a go away frame (spec.md, "Session termination"). */
export const GO_AWAY_CODES = { normal: 0, protocolError: 1, internalError: 2 } as const

/** The largest number that the field holds. */
export const MAX_GO_AWAY_CODE = 0xffff_ffff
