/**
 * Every record of the link, by number. A record is `type u8 · length u24 · body`; numbers are big-endian, and an offset
 * is 64 bits of which at most 53 are used. docs/wire.md is the specification.
 */
export const RECORD_TYPES = {
  /** Dialler → accepter, the first record of a path: creates a session, or resumes one. */
  attach: 0x01,
  /** Accepter → dialler, the first record of that direction: the path belongs to the session. */
  accept: 0x02,
  /** Accepter → dialler, instead of ACCEPT; the path is closed behind it. */
  refuse: 0x03,
  /** A piece of the byte stream. */
  data: 0x10,
  /** As DATA, and its end is to be acknowledged without delay. */
  dataAck: 0x11,
  /** What was received so far. */
  ack: 0x12,
  /** Asks for a PONG; carries an acknowledgement. */
  ping: 0x13,
  /** Answers a PING; carries an acknowledgement. */
  pong: 0x14,
  /** The stream ends here; counts as one byte in offsets. */
  fin: 0x15,
  /** The session is over. */
  close: 0x16,
  /** Another path of this session is not used any more. */
  gone: 0x17,
} as const

/** Unknown types from this number on are skipped; unknown ones below break the protocol. */
export const FIRST_IGNORABLE_TYPE = 0x80

/** Bytes before a record's body: type and length. */
export const RECORD_HEADER_LENGTH = 4
/** Bytes of an offset. */
export const OFFSET_LENGTH = 8
/** Bytes before the payload of DATA: header and offset. */
export const DATA_HEADER_LENGTH = RECORD_HEADER_LENGTH + OFFSET_LENGTH
/**
 * Ours: payload of one DATA at most. Writes of 64 to 256 KiB cost TLS least; longer ones gain nothing and make an urgent
 * record wait longer.
 */
export const MAX_PAYLOAD_LENGTH = 256 * 1024
/** Ours: body of any other record at most; it is what a peer can make a path hold. */
export const MAX_CONTROL_LENGTH = 512
