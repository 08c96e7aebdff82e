/**
 * A way to the peer for packets, as UDP has it: they may be lost, come twice or out of order. It belongs to one path, and
 * carries nothing that is not sealed.
 */
export interface DatagramCarrier {
  /** So long a packet may be at most, in bytes; whether such packets arrive is found out. */
  readonly maxLength: number
  /** Never throws and never blocks: a packet that can't be sent is lost. */
  send(packet: Uint8Array): void
  /** Called with each packet that comes; it is the receiver's to keep. Packets of others do no harm. */
  onPacket: ((packet: Uint8Array) => void) | undefined
  close(): void
}
