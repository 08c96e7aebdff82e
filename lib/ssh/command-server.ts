import type { Duplex } from 'node:stream'
import { ClosingStack } from '../base/closing-stack.ts'
import { ReachError } from '../base/errors.ts'
import { formatSshUrl } from '../base/ssh-url.ts'
import { privateFolder } from '../net/private-folder.ts'
import { connectUnix, listenUnix } from '../net/unix-socket.ts'
import type { Rendezvous } from '../protocol/ssh/rendezvous.ts'
import { dialPublic } from './dial-public.ts'
import { orAbort } from '../base/deadline.ts'
import { forwardingRefused } from './ssh-errors.ts'
import type { RunningSsh } from './ssh-command.ts'
import { removeBySsh, startSsh } from './ssh-command.ts'
import { SocketStream } from './socket-stream.ts'
import type { SshServerSetup } from './ssh-options.ts'
import type { SshListening, SshServer } from './ssh-server.ts'

/** Ours: a login, by hosts to jump over perhaps, and a command. */
const REMOVE_TIMEOUT_MS = 15_000
/** Ours: whoever closes does not wait longer for files of a few bytes to go. */
const CLOSE_TIMEOUT_MS = 3000

/** What leads to the places of one peer. */
interface Dialled {
  /** Local sockets that ssh connects to a place each, the likeliest first. */
  readonly sockets: readonly string[]
  readonly ssh: RunningSsh
}

/**
 * An SSH server as the system's own `ssh` reaches it: with certificates, hardware keys, hosts to jump over, and whatever
 * else ssh_config(5) knows. It forwards between places on the server and sockets in a folder of ours.
 */
export class CommandServer implements SshServer {
  readonly name: string
  readonly #setup: SshServerSetup
  readonly #stop = new AbortController()
  readonly #dialled = new Map<string, Promise<Dialled>>()
  /** Of what listens now: its ssh, its socket, and the folder of that. */
  #listening = new ClosingStack()
  #remote: readonly string[] = []

  /** @throws {ReachError} ERR_REACH_ADDRESS with a pin, which `ssh` knows nothing of */
  constructor(setup: SshServerSetup) {
    this.name = formatSshUrl(setup.url)
    this.#setup = setup
    if (setup.url.pin === undefined) return
    throw new ReachError('ERR_REACH_ADDRESS', 'an ssh command checks host keys by itself, and takes no pin', {
      hint: 'leave out what follows the #, and log in once with ssh',
    })
  }

  async listen(
    places: readonly Rendezvous[],
    onStream: (stream: Duplex) => void,
    signal: AbortSignal,
  ): Promise<SshListening> {
    await this.#listening.close()
    const resources = (this.#listening = new ClosingStack())
    const folder = resources.use(await privateFolder())
    const local = `${folder.path}/in`
    resources.use(await listenUnix(local, onStream))
    const isPublic = this.#setup.url.isPublic
    const during = AbortSignal.any([signal, this.#stop.signal])
    const left = isPublic ? [] : places.flatMap(({ sockets }) => sockets)
    if (left.length > 0) await removeBySsh(this.#setup, left, REMOVE_TIMEOUT_MS, during)
    for (const at of [...(isPublic ? [] : columns(places, 'sockets')), ...columns(places, 'ports')]) {
      const remote = at.map((place) => remoteOf(place, isPublic))
      const ssh = await this.#tryToListen(
        remote.flatMap((place) => ['-R', `${place}:${local}`]),
        signal,
      )
      if (ssh === undefined) continue
      resources.defer(() => ssh.stop())
      this.#remote = remote.filter((place) => place.startsWith('/'))
      return { at: remote, lost: ssh.lost }
    }
    throw forwardingRefused(this.#setup.url)
  }

  async *dial(place: Rendezvous, signal: AbortSignal): AsyncGenerator<Duplex, void> {
    if (this.#setup.url.isPublic) {
      yield* dialPublic(this.#setup, place, signal)
      return
    }
    const { sockets } = await this.#leadTo(place, signal)
    // It can't be told from here whether the server lets one through: those that fail end at once.
    for (const socket of sockets) yield new SocketStream(await connectUnix(socket, signal))
  }

  /** Nothing: ssh asks by itself (ServerAliveInterval). */
  probe(): void {
    return
  }

  async close(): Promise<void> {
    this.#stop.abort(new ReachError('ERR_REACH_ABORTED', 'this peer is closed'))
    await this.#listening.close()
    for (const dialled of this.#dialled.values()) {
      await dialled.then(({ ssh }) => ssh.stop()).catch(() => undefined)
    }
    const remote = this.#remote
    this.#remote = []
    if (remote.length > 0) await removeBySsh(this.#setup, remote, CLOSE_TIMEOUT_MS)
  }

  /** Undefined where the server refuses these places: others may do. */
  async #tryToListen(forwardings: readonly string[], signal: AbortSignal): Promise<RunningSsh | undefined> {
    try {
      return await startSsh(this.#setup, forwardings, signal)
    } catch (error) {
      if (ReachError.is(error, 'ERR_REACH_SSH_FORWARDING')) return undefined
      throw error
    }
  }

  /** One ssh for each peer, kept while it lives. */
  #leadTo(place: Rendezvous, signal: AbortSignal): Promise<Dialled> {
    const key = place.sockets[0] ?? ''
    const known = this.#dialled.get(key)
    if (known !== undefined) return orAbort(known, signal)
    const dialling = this.#startDial(place)
    this.#dialled.set(key, dialling)
    const forget = () => this.#dialled.delete(key)
    dialling.then(({ ssh }) => void ssh.lost.then(forget), forget)
    return orAbort(dialling, signal)
  }

  async #startDial(place: Rendezvous): Promise<Dialled> {
    const folder = await privateFolder()
    const ports = place.ports.map((port) => `localhost:${port}`)
    const places = [...[...place.sockets].reverse(), ...ports.reverse()]
    const sockets = places.map((_place, at) => `${folder.path}/${at}`)
    const forwardings = places.flatMap((remote, at) => ['-L', `${sockets[at] ?? ''}:${remote}`])
    try {
      const ssh = await startSsh(this.#setup, forwardings, this.#stop.signal)
      void ssh.lost.then(() => folder.close())
      return { sockets, ssh }
    } catch (error) {
      await folder.close()
      throw error
    }
  }
}

/** The first socket of each place, the second of each, …: places of one member are taken together. */
function columns(
  places: readonly Rendezvous[],
  kind: 'sockets' | 'ports',
): readonly (readonly (string | number)[])[] {
  const [first] = places
  return (first?.[kind] ?? []).map((_one, at) => places.flatMap((place) => place[kind][at] ?? []))
}

/** As the `-R` of ssh takes it. */
function remoteOf(place: string | number, isPublic: boolean): string {
  return typeof place === 'string' ? place : `${isPublic ? '*' : 'localhost'}:${place}`
}
