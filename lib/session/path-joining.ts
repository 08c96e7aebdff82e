import { ReachError } from '../base/errors.ts'
import type { EarlyChannel, SecureChannel } from '../identity/tls/secure-channel.ts'
import type { PathAbout } from './path-pipe.ts'
import { keyOf } from './peer-key.ts'
import type { PathSurroundings, SessionPaths } from './session-paths.ts'

/** What joining needs of the session around it. */
export interface JoiningSurroundings extends Pick<PathSurroundings, 'clock' | 'link' | 'pump'> {
  readonly paths: SessionPaths
  /** The peer did not accept us on a path, and there is no other. */
  readonly onRefused: (error: ReachError) => void
}

/** How paths join a session: those that we dialled ask for it, those that the peer dialled were asked for already. */
export class PathJoining {
  readonly #around: JoiningSurroundings

  constructor(around: JoiningSurroundings) {
    this.#around = around
  }

  /** Adds a path that we dialled. @throws {ReachError} ERR_REACH_SESSION_REFUSED when the link can't take it */
  dialled(path: number, channel: SecureChannel | EarlyChannel, about: PathAbout): void {
    const { clock, link, paths, pump } = this.#around
    const refusal = link.dial(path, keyOf(channel.peer), clock.nowMs())
    if (refusal !== undefined) {
      channel.stream.destroy()
      throw new ReachError('ERR_REACH_SESSION_REFUSED', `the session can't take the path: ${refusal}`, {
        details: { refusal },
      })
    }
    const pipe = paths.add(path, channel, about, true)
    if ('accepted' in channel) {
      // What we write goes at once; whether the peer takes it comes with what it says first.
      channel.accepted.then(
        () => pipe.read(),
        (error: unknown) => this.#refused(path, error),
      )
    } else pipe.read()
    pump()
  }

  /** Adds a path that the peer dialled, and that the link has accepted. @param rest bytes that followed its request */
  accepted(path: number, channel: SecureChannel, about: PathAbout, rest: Uint8Array): void {
    const { clock, link, paths, pump } = this.#around
    const pipe = paths.add(path, channel, about, false)
    if (rest.length > 0) link.receive(path, rest, clock.nowMs())
    pipe.read()
    pump()
  }

  /** The peer does not accept us on a path: without another one there is no session. */
  #refused(path: number, error: unknown): void {
    const { clock, link, paths, pump, onRefused } = this.#around
    paths.forgetPipe(path)
    if (paths.isEmpty && ReachError.is(error)) onRefused(error)
    else link.pathLost(path, clock.nowMs())
    pump()
  }
}
