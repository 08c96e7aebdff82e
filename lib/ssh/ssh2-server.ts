import type { Duplex } from 'node:stream'
import { ReachError } from '../base/errors.ts'
import { formatSshUrl } from '../base/ssh-url.ts'
import type { Rendezvous } from '../protocol/ssh/rendezvous.ts'
import { dialPublic } from './dial-public.ts'
import { orAbort } from '../base/deadline.ts'
import { opened } from './opened.ts'
import { forwardingRefused } from './ssh-errors.ts'
import { SshLogin } from './ssh-login.ts'
import type { SshServerSetup } from './ssh-options.ts'
import type { SshListening, SshServer } from './ssh-server.ts'

/** An SSH server as we reach it ourselves: one login for all that goes over it, dialled when it is needed. */
export class Ssh2Server implements SshServer {
  readonly name: string
  readonly #setup: SshServerSetup
  /** Under way. */
  #login: Promise<SshLogin> | undefined
  #current: SshLogin | undefined
  readonly #stop = new AbortController()
  /** Sockets that the server made for us. */
  #sockets: readonly string[] = []

  constructor(setup: SshServerSetup) {
    this.name = formatSshUrl(setup.url)
    this.#setup = setup
  }

  async listen(
    places: readonly Rendezvous[],
    onStream: (stream: Duplex) => void,
    signal: AbortSignal,
  ): Promise<SshListening> {
    const login = await this.#loggedIn(signal)
    const at: string[] = []
    for (const place of places) at.push(await this.#listenAt(login, place, onStream))
    return { at, lost: login.closed }
  }

  async *dial(place: Rendezvous, signal: AbortSignal): AsyncGenerator<Duplex, void> {
    if (this.#setup.url.isPublic) {
      yield* dialPublic(this.#setup, place, signal)
      return
    }
    for (let isFirst = true; ; isFirst = false) {
      const login = await this.#loggedIn(signal)
      let isFound = false
      for await (const stream of connections(login, place, signal)) {
        isFound = true
        yield stream
      }
      if (isFound || login.isOpen) return
      // It was not nobody who waits there: the login was gone, or went meanwhile.
      if (!isFirst) throw await login.closed
    }
  }

  probe(): void {
    this.#current?.probe()
  }

  async close(): Promise<void> {
    this.#stop.abort(new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
    await this.#login?.catch(() => undefined)
    if (this.#sockets.length > 0) await this.#current?.remove(this.#sockets)
    this.#current?.close()
  }

  /** Many who need the login at once share one. */
  #loggedIn(signal: AbortSignal): Promise<SshLogin> {
    if (this.#current?.isOpen === true) return Promise.resolve(this.#current)
    this.#login ??= SshLogin.open(this.#setup, this.#stop.signal)
      .then((login) => (this.#current = login))
      .finally(() => (this.#login = undefined))
    return orAbort(this.#login, signal)
  }

  /** @throws {ReachError} ERR_REACH_SSH_FORWARDING */
  async #listenAt(login: SshLogin, place: Rendezvous, onStream: (stream: Duplex) => void): Promise<string> {
    const { isPublic } = this.#setup.url
    if (!isPublic) {
      // sshd makes no socket where a file is, and leaves its own behind (sshd_config(5), StreamLocalBindUnlink).
      await login.remove(place.sockets)
      for (const path of place.sockets) {
        if (!(await login.forwardSocket(path, onStream))) continue
        this.#sockets = [...this.#sockets, path]
        return path
      }
    }
    for (const port of place.ports) {
      if (await login.forwardPort(port, isPublic, onStream)) return `${isPublic ? '*' : 'localhost'}:${port}`
    }
    throw forwardingRefused(this.#setup.url)
  }
}

async function* connections(
  login: SshLogin,
  place: Rendezvous,
  signal: AbortSignal,
): AsyncGenerator<Duplex, void> {
  // The newest last: who could not remove older files has taken the next one.
  yield* opened([...place.sockets].reverse().map((path) => login.openSocket(path)))
  signal.throwIfAborted()
  yield* opened([...place.ports].reverse().map((port) => login.openPort(port)))
}
