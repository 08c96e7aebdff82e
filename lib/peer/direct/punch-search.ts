import { deferred } from '../../base/deferred.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { predictPair } from '../../protocol/ice/pair-prediction.ts'
import { decodePunchMessage, encodePunchMessage } from '../../protocol/punch/punch-message.ts'
import type { PunchMessage } from '../../protocol/punch/punch-message.ts'
import type { PunchCounters } from '../../protocol/punch/punch-options.ts'
import type { NatSummary } from '../../protocol/signaling/nat-summary.ts'
import type { PunchedHole } from '../../punch/punched-hole.ts'
import { UdpPunch } from '../../punch/udp-punch.ts'
import type { OwnNetwork } from './direct-tools.ts'
import { awaitPeersTurn, punchTurn } from './punch-turn.ts'
import type { NoteOutcome } from './punch-turn.ts'
import type { SearchScene } from './search-scene.ts'

/** Ours: messages of the peer's punch that wait for ours to be there. */
const MAX_EARLY = 8

/** The punch over UDP of one search: from fresh ports, by the recipe for both sides' NATs over IPv4, when it is its turn. */
export class PunchSearch {
  readonly #scene: SearchScene
  readonly #isNeeded: () => boolean
  #punch: UdpPunch | undefined
  /** Messages of the peer's punch that came before ours was there. */
  readonly #early: PunchMessage[] = []
  /** The peer's punch has begun, or the search is over. */
  readonly #firstSignal = deferred<undefined>()
  /** The called peer can't begin before that many ms. */
  readonly #later = deferred<number>()
  #hole: PunchedHole | undefined

  /** @param isNeeded false when another way was faster */
  constructor(scene: SearchScene, isNeeded: () => boolean) {
    this.#scene = scene
    this.#isNeeded = isNeeded
  }

  get counters(): Readonly<PunchCounters> | undefined {
    return this.#punch?.counters
  }

  /** Punches; undefined: there is no hole. Rejects with the reason of the scene's signal. */
  async run(): Promise<PunchedHole | undefined> {
    const { ourNetwork, theirNat, tools } = this.#scene
    const [ours, theirs] = await Promise.all([ourNetwork, theirNat])
    if (ours !== undefined && predictPair(ours.nat, theirs).result !== 'direct') tools.wantForwarded()
    if (ours === undefined || !ours.nat.udpWorks || !theirs.udpWorks) return undefined
    const note = await punchTurn(this.#scene, ours.nat, theirs, {
      isNeeded: this.#isNeeded,
      peerHasBegun: this.#firstSignal.promise,
      tellLater: (waitMs) => this.#tellLater(waitMs),
    })
    return note === undefined ? undefined : this.#punchWith(ours, theirs, note)
  }

  /** A message of the peer's punch. */
  receive(text: string): void {
    const message = decodePunchMessage(text)
    this.#firstSignal.resolve(undefined)
    if (this.#punch !== undefined) this.#punch.receive(message)
    else if (this.#early.length < MAX_EARLY) this.#early.push(message)
  }

  /** The called peer has its turn only then. */
  postpone(waitMs: number): void {
    if (this.#scene.context.isControlling) this.#later.resolve(waitMs)
  }

  /** Ends it; a hole that was found stays open, and is nobody's punch any more. Idempotent. */
  close(): void {
    this.#firstSignal.resolve(undefined)
    this.#punch?.stop()
    this.#hole?.detach()
  }

  async #punchWith(
    ours: OwnNetwork,
    theirs: NatSummary,
    note: NoteOutcome,
  ): Promise<PunchedHole | undefined> {
    const first = await this.#start(ours, theirs)
    const waitMs = await Promise.race([this.#later.promise, first.result.then(() => undefined)])
    if (waitMs === undefined) return this.#end(first, note)
    // Its ports would be old by then, and what the peer has heard of them is forgotten there.
    first.stop()
    this.#punch = undefined
    if (!(await awaitPeersTurn(this.#scene, waitMs)) || !this.#isNeeded()) return undefined
    return this.#end(await this.#start(ours, theirs), note)
  }

  async #end(punch: UdpPunch, note: NoteOutcome): Promise<PunchedHole | undefined> {
    this.#hole = await punch.result
    // Who was stopped because another way was faster has not failed.
    if (this.#hole !== undefined || this.#isNeeded()) note(this.#hole === undefined ? 'failed' : 'direct')
    return this.#hole
  }

  async #start(ours: OwnNetwork, theirs: NatSummary): Promise<UdpPunch> {
    const servers = await this.#scene.tools.stunServers()
    this.#scene.signal.throwIfAborted()
    const punch = this.#newPunch(ours, theirs, servers)
    this.#punch = punch
    for (const message of this.#early.splice(0)) punch.receive(message)
    return punch
  }

  #newPunch(ours: OwnNetwork, theirs: NatSummary, servers: readonly TransportAddress[]): UdpPunch {
    const { tools, context, credentials, theirs: start, maySendTo, signal } = this.#scene
    const { attempt, isControlling, send } = context
    return new UdpPunch({
      runtime: tools.runtime,
      abort: signal,
      options: {
        role: isControlling ? 'controlling' : 'controlled',
        family: 'ipv4',
        localCredentials: credentials,
        remoteCredentials: start.credentials,
        ours: ours.nat.behavior,
        theirs: theirs.behavior,
        servers: servers.filter(({ family }) => family === 'ipv4'),
        signallingRttMs: context.signallingRttMs(),
        maySendTo,
        randomBytes: (length) => tools.runtime.random.bytes(length),
        ...(ours.openerTtl === undefined ? {} : { openerTtl: ours.openerTtl }),
      },
      signal: (message) =>
        send({ kind: 'punch', attempt, transport: 'udp', text: encodePunchMessage(message) }),
    })
  }

  #tellLater(waitMs: number): void {
    const { attempt, send } = this.#scene.context
    this.#early.length = 0 // the caller announces itself anew
    send({ kind: 'later', attempt, waitMs: Math.ceil(waitMs) })
  }
}
