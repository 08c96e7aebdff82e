import type { Socket } from 'node:net'
import type { Connection, ServerChannel, TcpipRequestInfo } from 'ssh2'
import { ChannelStream } from '../../lib/ssh/channel-stream.ts'
import type { SshKey } from '../authority/ssh-key.ts'
import type { JoinedEnd } from './channel-copy.ts'
import { joinChannels } from './channel-copy.ts'
import type { OpenDecision } from './decide-open.ts'
import type { Exposure, Exposures } from './exposures.ts'
import type { OpenFailure, RefuseOpen } from './open-failure.ts'
import { OPEN_FAILURE, openFailuresOf } from './open-failure.ts'
import { readBindAddress } from './service-host.ts'
import { noticeInSession } from './session-notice.ts'
import { SocketPace } from './socket-pace.ts'

/** Ours: 200 at once is a browser with many tabs; each may hold 2 MiB a direction while its reader stops. */
export const MAX_CHANNELS = 256
/** Ours: a host has a handful of services. */
const MAX_EXPOSED = 64
/** Ours: where ports begin that a client leaves to us; nobody listens there, they are only names. */
const FIRST_CHOSEN_PORT = 1024

/** What a connection needs of the service around it. */
export interface SshConnectionSetup {
  readonly exposures: Exposures<SshConnection>
  readonly decide: (fingerprint: string, host: string, port: number) => OpenDecision<SshConnection>
  readonly mayExpose: (fingerprint: string) => boolean
  /** Two channels were joined; called with what ends them. */
  readonly onJoined: (ends: readonly [ChannelStream, ChannelStream]) => void
}

/** One SSH client that has logged in: what it exposes, and what it reaches. */
export class SshConnection {
  readonly key: SshKey
  readonly #client: Connection
  readonly #socket: Socket
  readonly #setup: SshConnectionSetup
  readonly #pace: SocketPace
  readonly #refuse: RefuseOpen
  #channels = 0

  constructor(client: Connection, socket: Socket, key: SshKey, setup: SshConnectionSetup) {
    this.key = key
    this.#client = client
    this.#socket = socket
    this.#setup = setup
    this.#pace = new SocketPace(socket)
    this.#refuse = openFailuresOf(client)
    this.#takeRequests()
    client.on('session', (accept) => noticeInSession(accept()))
    client.on('tcpip', (accept, reject, wanted) => this.#reach(accept, reject, wanted))
    client.on('openssh.streamlocal', (_accept, reject) =>
      this.#refuse(reject, { reason: OPEN_FAILURE.unknownType, text: 'the relay forwards no unix sockets' }),
    )
  }

  /** Channels that are open. */
  get channels(): number {
    return this.#channels
  }

  /** Ends it at once, with everything that goes over it. */
  cut(): void {
    this.#socket.destroy()
  }

  #takeRequests(): void {
    // Its other form is of unix sockets, which have a path and no port.
    this.#client.on(
      'request',
      (accept, reject, name: string, info: { bindAddr?: string; bindPort?: number }) => {
        const { bindAddr, bindPort } = info
        const isDone =
          bindAddr !== undefined && bindPort !== undefined && this.#change(name, bindAddr, bindPort)
        if (isDone === false) reject?.()
        else accept?.(isDone)
      },
    )
  }

  /** False when it is refused; else the port. */
  #change(name: string, bindAddress: string, port: number): number | false {
    const { exposures } = this.#setup
    if (name === 'tcpip-forward') return this.#expose(bindAddress, port)
    if (name !== 'cancel-tcpip-forward') return false
    return exposures.remove(this, bindAddress, port) ? port : false
  }

  #expose(bindAddress: string, wanted: number): number | false {
    const { exposures, mayExpose } = this.#setup
    const service = readBindAddress(bindAddress)
    const { fingerprint: owner, name } = this.key
    if (service === false || !mayExpose(owner) || exposures.countOf(this) >= MAX_EXPOSED) return false
    const port = wanted === 0 ? this.#freePort(service) : wanted
    exposures.add({ connection: this, owner, name, service, port, bindAddress })
    return port
  }

  #freePort(service: string | undefined): number {
    const all = this.#setup.exposures.ofOwner(this.key.fingerprint)
    const taken = new Set(all.filter((one) => one.service === service).map(({ port }) => port))
    let port = FIRST_CHOSEN_PORT
    while (taken.has(port)) port++
    return port
  }

  #reach(accept: () => ServerChannel, reject: () => void, wanted: TcpipRequestInfo): void {
    const refuse = (failure: OpenFailure) => this.#refuse(reject, failure)
    const decision = this.#setup.decide(this.key.fingerprint, wanted.destIP, wanted.destPort)
    if (decision.kind === 'refused') {
      const reason = decision.reason === 'prohibited' ? OPEN_FAILURE.prohibited : OPEN_FAILURE.connectFailed
      refuse({ reason, text: decision.text })
      return
    }
    const { connection: owner } = decision.exposure
    if (this.#channels >= MAX_CHANNELS || (owner !== this && owner.#channels >= 4 * MAX_CHANNELS)) {
      refuse({ reason: OPEN_FAILURE.shortage, text: `at most ${MAX_CHANNELS} channels may be open at once` })
      return
    }
    this.#join(decision.exposure, accept, refuse)
  }

  #join(
    exposure: Exposure<SshConnection>,
    accept: () => ServerChannel,
    refuse: (why: OpenFailure) => void,
  ): void {
    const { connection: owner } = exposure
    const release = this.#hold(owner)
    const failed = (text: string) => {
      release()
      refuse({ reason: OPEN_FAILURE.connectFailed, text })
    }
    owner.#open(exposure, this.key.name, (channel) => {
      if (typeof channel === 'string') {
        failed(`${exposure.name} says: ${channel}`)
        return
      }
      const far = owner.#endOf(channel)
      if (this.#socket.destroyed) {
        far.stream.destroy()
        release()
        return
      }
      const near = this.#endOf(accept())
      near.stream.once('close', release)
      joinChannels(near, far)
      this.#setup.onJoined([near.stream, far.stream])
    })
  }

  /** Counts a channel on both sides. Answers what gives it back. */
  #hold(owner: SshConnection): () => void {
    this.#channels++
    owner.#channels++
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      this.#channels--
      owner.#channels--
    }
  }

  /** Asks the client that exposes something for a channel. Calls back with why it gave none, if it did not. */
  #open(
    exposure: Exposure<SshConnection>,
    from: string,
    done: (channel: ServerChannel | string) => void,
  ): void {
    try {
      // Where it comes from is the caller's name: its address is nobody's business.
      this.#client.forwardOut(exposure.bindAddress, exposure.port, from, 0, (error, channel) => {
        if (error === undefined) done(channel)
        else done(withoutControls(error.message))
      })
    } catch {
      done('it is gone') // ssh2 throws where it should call back
    }
  }

  #endOf(channel: ServerChannel): JoinedEnd & { readonly stream: ChannelStream } {
    const stream = new ChannelStream(channel)
    stream.on('error', () => undefined)
    return { stream, pace: this.#pace }
  }
}

/** It goes into the terminal of another person. */
function withoutControls(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 200)
}
