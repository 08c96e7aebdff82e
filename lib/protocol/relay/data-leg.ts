import { ReachError } from '../../base/errors.ts'

/**
 * A data leg (docs/wire.md): a TCP connection to the relay that begins with this head, gets one byte of status, and after
 * `go` carries the other peer's bytes.
 */
export const LEG_MAGIC = Uint8Array.of(0xd2, 0x70, 0x32, 0x01)
/** Random bytes that nobody can guess: whoever shows them has the leg. */
export const TICKET_LENGTH = 32
/**
 * A ticket that leads nowhere, and is refused at once: whoever has shown it knows that legs come through. Random ones are
 * never all zeros.
 */
export const TRIAL_TICKET = new Uint8Array(TICKET_LENGTH)
/** RFC 7301: a data leg inside TLS, for networks that let nothing else pass. */
export const LEG_ALPN = 'p2p-reach-leg/1'
export const LEG_HEAD_LENGTH = LEG_MAGIC.length + TICKET_LENGTH

/** The relay's answer to a leg's head, one byte. */
export const LEG_STATUS = {
  /** Both legs are there: either side may send. */
  go: 1,
  /** No such ticket, or it was used. */
  'ticket-unknown': 2,
  /** The other side did not come in time. */
  'peer-late': 3,
  /** The other side, or its connection to the relay, is gone. */
  'peer-gone': 4,
  /** Too many legs wait. */
  busy: 5,
  /** The relay is about to end. */
  draining: 6,
} as const

/** A name of {@link LEG_STATUS}. */
export type LegStatus = keyof typeof LEG_STATUS

export function isTrialTicket(ticket: Uint8Array): boolean {
  return ticket.every((byte) => byte === 0)
}

/** @throws {RangeError} when the ticket has another length */
export function encodeLegHead(ticket: Uint8Array): Uint8Array {
  if (ticket.length !== TICKET_LENGTH) throw new RangeError(`a ticket has ${TICKET_LENGTH} bytes`)
  const head = new Uint8Array(LEG_HEAD_LENGTH)
  head.set(LEG_MAGIC)
  head.set(ticket, LEG_MAGIC.length)
  return head
}

/**
 * The ticket of a head; undefined while bytes are missing.
 * @throws {ReachError} ERR_REACH_DECODE as soon as it can be no head
 */
export function decodeLegHead(bytes: Uint8Array): Uint8Array | undefined {
  for (const [at, byte] of LEG_MAGIC.entries()) {
    if (at < bytes.length && bytes[at] !== byte) {
      throw new ReachError('ERR_REACH_DECODE', 'no head of a data leg', { details: { at } })
    }
  }
  return bytes.length < LEG_HEAD_LENGTH ? undefined : bytes.slice(LEG_MAGIC.length, LEG_HEAD_LENGTH)
}

/** The name of a status byte; undefined for one of a later version. */
export function legStatusName(byte: number): LegStatus | undefined {
  return NAMES.get(byte)
}

const NAMES: ReadonlyMap<number, LegStatus> = new Map<number, LegStatus>([
  [LEG_STATUS.go, 'go'],
  [LEG_STATUS['ticket-unknown'], 'ticket-unknown'],
  [LEG_STATUS['peer-late'], 'peer-late'],
  [LEG_STATUS['peer-gone'], 'peer-gone'],
  [LEG_STATUS.busy, 'busy'],
  [LEG_STATUS.draining, 'draining'],
])
