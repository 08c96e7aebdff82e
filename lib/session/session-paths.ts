import type { Clock } from '../base/runtime.ts'
import type { SecureChannel } from '../identity/tls/secure-channel.ts'
import type { LinkEffect } from '../protocol/link/link-effect.ts'
import type { Link } from '../protocol/link/link.ts'
import type { Loans } from './loans.ts'
import { PathChooser } from './path-chooser.ts'
import { PathPipe } from './path-pipe.ts'
import type { PathAbout, PathFacts, PathKind } from './path-pipe.ts'
import type { SessionCarriers } from './session-carriers.ts'

/** A path of a session at one moment. */
export interface PathState extends PathFacts {
  /** What we send goes over it. */
  readonly isActive: boolean
  /** Smoothed round trip in ms; undefined before it was measured. */
  readonly rttMs: number | undefined
}

/** A path until the link lets it go, which may be after its pipe broke. */
interface SessionPath {
  readonly about: PathAbout
  /** Undefined once it is over. */
  pipe: PathPipe | undefined
  /** Both sides have agreed upon it. */
  isAttached: boolean
  /** It is to go as soon as another one carries what we send. */
  isRetired: boolean
}

/** What the paths need of the session around them. */
export interface PathSurroundings {
  readonly clock: Clock
  readonly link: Link
  readonly carriers: SessionCarriers
  /** Who needs what was received. */
  readonly loans: Loans
  /** Something has happened that may let bytes move. False: not now, for they are being moved. @param nowMs if it is known */
  readonly pump: (nowMs?: number) => boolean
}

/** The paths of a session: sockets on one side, the link on the other. */
export class SessionPaths {
  readonly #around: PathSurroundings
  readonly #chooser: PathChooser
  readonly #paths = new Map<number, SessionPath>()
  /** Pipes that are not over, to be walked with every packet. A list that does not change. */
  #pipes: readonly PathPipe[] = []

  constructor(around: PathSurroundings) {
    this.#around = around
    this.#chooser = new PathChooser(around.link)
  }

  /** True while nothing can be said to the peer. */
  get isEmpty(): boolean {
    return this.#pipes.length === 0
  }

  /** The paths now, the active one first. */
  get states(): readonly PathState[] {
    const states = this.#pipes.map((pipe) => this.#stateOf(pipe))
    return states.sort((a, b) => Number(b.isActive) - Number(a.isActive))
  }

  /** A path that is not over, as it is now. */
  state(path: number): PathState | undefined {
    const pipe = this.#paths.get(path)?.pipe
    return pipe && this.#stateOf(pipe)
  }

  /** True while datagrams go beside the streams: over a carrier whose packets arrive. */
  get carriesSealed(): boolean {
    return this.#pipes.some(({ id }) => this.#around.carriers.isAlive(id))
  }

  /** Adds a path that the link knows. @param isClient we dialled it */
  add(path: number, { stream, exporter }: SecureChannel, about: PathAbout, isClient: boolean): PathPipe {
    const { clock, link, carriers, loans } = this.#around
    const later = (delayMs: number, callback: () => void) => clock.setTimer(delayMs, callback)
    const pipe = new PathPipe(path, about, stream, later, {
      onBytes: (block, from, to) => {
        const nowMs = clock.nowMs()
        loans.begin()
        link.receive(path, block, nowMs, from, to)
        return this.#around.pump(nowMs) && loans.areSettled
      },
      onRoom: () => this.#around.pump(),
      onLost: () => {
        this.forgetPipe(path)
        link.pathLost(path, clock.nowMs())
        this.#around.pump()
      },
    })
    this.#paths.set(path, { about, pipe, isAttached: false, isRetired: false })
    this.#pipes = [...this.#pipes, pipe]
    carriers.addPath(path, { exporter, isClient })
    if (about.carrier !== undefined) carriers.attach(path, about.carrier)
    if (about.keepaliveMs !== undefined) link.speakEvery(path, about.keepaliveMs)
    return pipe
  }

  /** A pipe is over, whether or not the link has heard of it yet. */
  forgetPipe(path: number): void {
    const known = this.#paths.get(path)
    if (known !== undefined) known.pipe = undefined
    this.#pipes = this.#pipes.filter(({ id }) => id !== path)
    this.#chooser.remove(path)
    this.#around.carriers.removePath(path)
  }

  /** Both sides have agreed upon a path. */
  attached(path: number, nowMs: number): void {
    const known = this.#paths.get(path)
    if (known === undefined) return
    known.isAttached = true
    if (known.pipe !== undefined) this.#chooser.add(path, known.about.kind, known.isRetired, nowMs)
  }

  /** The link lets a path go. Answers what it was when it died under us. */
  closed(effect: Extract<LinkEffect, { kind: 'close-path' }>, nowMs: number): PathAbout | undefined {
    const { path, why, lastBytes } = effect
    const known = this.#paths.get(path)
    known?.pipe?.close(lastBytes)
    this.forgetPipe(path)
    this.#paths.delete(path)
    if (known === undefined || why.kind === 'ended' || !known.isAttached || known.isRetired) return undefined
    this.#chooser.lost(known.about.kind, nowMs)
    return known.about
  }

  /** Lets the best path carry what we send, and those go that are retired. False where there is nothing to choose. */
  choose(nowMs: number): boolean {
    if (!this.#chooser.hasChoice) return false
    const chosen = this.#chooser.choose(nowMs)
    if (chosen !== undefined) this.#around.link.activate(chosen)
    this.#dropRetired(nowMs)
    return true
  }

  /** When another path may be chosen because time has passed; Infinity: never. */
  deadlineMs(nowMs: number): number {
    return this.#chooser.deadlineMs(nowMs)
  }

  /** Moves bytes from the link into the pipes that have room; false when there were none. */
  fill(nowMs: number): boolean {
    const { link } = this.#around
    let moved = false
    for (const pipe of this.#pipes) {
      // Room is asked for only when it is needed: it would be told of later.
      while (link.hasOutput(pipe.id, nowMs) && pipe.takesMore()) {
        const chunks = link.pull(pipe.id, nowMs)
        if (chunks.length === 0) break
        pipe.write(chunks)
        moved = true
      }
      pipe.flush()
    }
    return moved
  }

  /** Gives a path up. */
  drop(path: number): void {
    this.#around.link.detach(path, this.#around.clock.nowMs())
    this.#around.pump()
  }

  /** Gives up the paths from addresses that this host has no more. @param isOurs whether it still has an address */
  dropWithout(isOurs: (ip: string) => boolean): void {
    for (const { id, about } of this.#pipes) {
      if (about.local !== undefined && !isOurs(about.local.ip)) this.drop(id)
    }
  }

  /** Paths that end once another one has taken over. */
  retire(isPoor: (path: PathFacts) => boolean): void {
    for (const [path, known] of this.#paths) {
      if (known.pipe === undefined || !isPoor(known.about)) continue
      known.isRetired = true
      this.#chooser.retire(path)
    }
    this.#around.pump()
  }

  /** Paths of a kind bear less silence than was known when they were added. */
  speakEvery(ms: number, kind: PathKind): void {
    for (const [path, { about }] of this.#paths) {
      if (about.kind === kind) this.#around.link.speakEvery(path, ms)
    }
    this.#around.pump()
  }

  #dropRetired(nowMs: number): void {
    const { link } = this.#around
    const { activePath } = link
    if (activePath === undefined || this.#paths.get(activePath)?.isRetired === true) return
    for (const [path, { isRetired }] of this.#paths) if (isRetired) link.detach(path, nowMs)
  }

  #stateOf({ id, about }: PathPipe): PathState {
    const facts: PathAbout = { ...about }
    delete (facts as { carrier?: unknown }).carrier
    return { ...facts, isActive: this.#around.link.activePath === id, rttMs: this.#around.link.rttMs(id) }
  }
}
