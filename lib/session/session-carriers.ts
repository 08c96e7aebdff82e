import { ReachError } from '../base/errors.ts'
import type { Clock } from '../base/runtime.ts'
import type { KeyExporter } from '../identity/tls/key-exporter.ts'
import {
  DATAGRAM_EXPORTER_LABEL,
  DATAGRAM_EXPORT_LENGTH,
  datagramAead,
  datagramSecrets,
} from '../protocol/datagram/datagram-keys.ts'
import { CARRIER_FLOW, PROBE_LENGTH } from '../protocol/datagram/carrier-probe.ts'
import { PacketOpener, PacketSealer, SEALED_OVERHEAD } from '../protocol/datagram/sealed-packet.ts'
import type { DatagramCarrier } from './datagram-carrier.ts'
import type { PathSeals } from './sealed-carrier.ts'
import { SealedCarrier } from './sealed-carrier.ts'

/** Where the keys of a path come from. */
export interface PathKeys {
  readonly exporter: KeyExporter
  /** True when we dialled it: then we were TLS's client. */
  readonly isClient: boolean
}

/** Takes the datagrams of a flow that come over a carrier. */
export type TakeDatagram = (bytes: Uint8Array) => void

/** The carriers of a session, and who gets what comes over them. Datagrams go over one of them, or none. */
export class SessionCarriers {
  readonly #clock: Clock
  readonly #keys = new Map<number, PathKeys>()
  readonly #carriers = new Map<number, SealedCarrier>()
  readonly #flows = new Map<number, TakeDatagram>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** A path begins: carriers may be attached to it. */
  addPath(path: number, keys: PathKeys): void {
    this.#keys.set(path, keys)
  }

  /** A path is over, and its carrier with it. */
  removePath(path: number): void {
    this.#keys.delete(path)
    this.#carriers.get(path)?.close()
    this.#carriers.delete(path)
  }

  /** Takes a carrier over, in the place of another one of the path. One that is of no use is closed at once. */
  attach(path: number, carrier: DatagramCarrier): void {
    const seals = this.#sealsOf(path)
    if (seals === undefined || carrier.maxLength < SEALED_OVERHEAD + PROBE_LENGTH) {
      carrier.close()
      return
    }
    this.#carriers.get(path)?.close()
    const take = (flow: number, bytes: Uint8Array) => this.#flows.get(flow)?.(bytes)
    this.#carriers.set(path, new SealedCarrier(carrier, seals, this.#clock, take))
  }

  /** True while packets arrive over the carrier of a path. */
  isAlive(path: number): boolean {
    return this.#carriers.get(path)?.isAlive ?? false
  }

  /** Sends a datagram over the carrier of the active path, else over the newest; false when none takes it. */
  send(flow: number, bytes: Uint8Array, activePath: number | undefined): boolean {
    if (this.#carriers.size === 0) return false
    const active = activePath === undefined ? undefined : this.#carriers.get(activePath)
    if (active?.send(flow, bytes) === true) return true
    return [...this.#carriers.values()].reverse().some((carrier) => carrier.send(flow, bytes))
  }

  /** From now on, what comes for a flow is given to `take`; the result ends that. */
  receive(flow: number, take: TakeDatagram): () => void {
    if (flow === CARRIER_FLOW) throw new RangeError('flow 0 is the carrier itself')
    this.#flows.set(flow, take)
    return () => this.#flows.delete(flow)
  }

  close(): void {
    for (const path of [...this.#keys.keys()]) this.removePath(path)
    this.#flows.clear()
  }

  #sealsOf(path: number): PathSeals | undefined {
    const keys = this.#keys.get(path)
    return keys === undefined ? undefined : sealsOf(keys)
  }
}

/** Undefined when the path is just ending, or speaks a cipher suite that is not known here. */
function sealsOf({ exporter, isClient }: PathKeys): PathSeals | undefined {
  try {
    const aead = datagramAead(exporter.cipherSuite)
    if (aead === undefined) return undefined
    const secrets = datagramSecrets(exporter.exportKeys(DATAGRAM_EXPORTER_LABEL, DATAGRAM_EXPORT_LENGTH))
    const [ours, theirs] = isClient
      ? [secrets.fromClient, secrets.fromServer]
      : [secrets.fromServer, secrets.fromClient]
    return { sealer: new PacketSealer(ours, aead), opener: new PacketOpener(theirs, aead) }
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_TLS')) throw error
    return undefined
  }
}
