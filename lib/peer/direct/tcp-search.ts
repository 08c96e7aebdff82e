import { delay } from '../../base/deadline.ts'
import { isGlobalIp } from '../../base/ip-range.ts'
import { deferred } from '../../base/deferred.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress, transportAddress } from '../../base/transport-address.ts'
import { localCandidate } from '../../protocol/ice/candidate.ts'
import type { CandidateType } from '../../protocol/ice/candidate.ts'
import { decodeTcpPunchMessage, encodeTcpPunchMessage } from '../../protocol/punch/tcp-punch-message.ts'
import type { DirectMessage } from '../../protocol/signaling/direct-message.ts'
import type { TcpPath } from '../../punch/tcp-attempt.ts'
import { TcpAttempt } from '../../punch/tcp-attempt.ts'
import type { TcpListener } from '../../punch/tcp-listener.ts'
import { onceAllowed } from './search-scene.ts'
import type { SearchHalf, SearchScene } from './search-scene.ts'

/** Ours: what dialled connections may take beyond the punch: a candidate that came late gets its chance. */
const GRACE_MS = 3000

/**
 * Looks for a path over TCP: dials what the peer listens on (its LAN, a public or forwarded port), takes what it dials, and
 * opens a connection from both sides at once through NATs that have no such port.
 */
export class TcpSearch implements SearchHalf {
  readonly done: Promise<void>
  readonly #scene: SearchScene
  readonly #listeners: readonly TcpListener[]
  readonly #attempt: TcpAttempt
  readonly #over = deferred<undefined>()

  constructor(scene: SearchScene, listeners: readonly TcpListener[]) {
    this.#scene = scene
    this.#listeners = listeners
    const { tools, context, credentials, theirs, maySendTo } = scene
    const { attempt, isControlling, send } = context
    this.#attempt = new TcpAttempt({
      ...{ runtime: tools.runtime, listeners, maySendTo, stunServers: tools.tcpStunServers() },
      role: isControlling ? 'controlling' : 'controlled',
      localCredentials: credentials,
      remoteCredentials: theirs.credentials,
      signallingRttMs: context.signallingRttMs(),
      signal: (message) =>
        send({ kind: 'punch', attempt, transport: 'tcp', text: encodeTcpPunchMessage(message) }),
    })
    this.done = this.#run()
  }

  get tried(): { readonly tcpTries: number } {
    return { tcpTries: this.#attempt.counters.connects }
  }

  receive(message: DirectMessage): void {
    if (message.kind === 'candidate' && message.candidate.tcpType === 'passive') {
      const { address } = message.candidate
      onceAllowed(this.#scene, address, () => this.#attempt.dial(address))
    } else if (message.kind === 'found' && message.transport === 'tcp') {
      this.#over.resolve(undefined)
    } else if (message.kind === 'punch' && message.transport === 'tcp') {
      this.#attempt.receive(decodeTcpPunchMessage(message.text))
    }
  }

  close(): void {
    this.#over.resolve(undefined)
    this.#attempt.close()
  }

  async #run(): Promise<void> {
    void this.#gather()
    void this.#attempt.result.then((path) => {
      if (path !== undefined) this.#use(path)
    })
    await Promise.race([this.#over.promise, this.#punch()])
  }

  async #punch(): Promise<void> {
    const { tools, ourNetwork, signal } = this.#scene
    const ours = await ourNetwork
    signal.throwIfAborted()
    if (ours?.nat.udpWorks === false) tools.wantForwarded()
    const hosts = await this.#scene.hosts
    this.#attempt.startPunch({
      // A NAT that preserves ports does so for both transports.
      portIsPreserved: ours?.nat.behavior.portAllocation === 'preserving',
      routedIps: hosts.flatMap(({ ip }) => (ip.includes(':') && isGlobalIp(ip) ? ip : [])).slice(0, 2),
    })
    await this.#attempt.punched
    await delay(tools.runtime.clock, GRACE_MS, signal)
  }

  #use({ socket, local, remote }: TcpPath): void {
    const { isControlling, attempt, send, onFound } = this.#scene.context
    onFound({
      stream: socket,
      about: { kind: 'direct-tcp', via: formatAddress(remote), local, remote },
    })
    if (!isControlling) return
    send({ kind: 'found', attempt, transport: 'tcp' })
    this.#over.resolve(undefined)
  }

  async #gather(): Promise<void> {
    const { tools, signal } = this.#scene
    const hosts = await this.#scene.hosts
    if (signal.aborted) return
    for (const { local } of this.#listeners) {
      for (const { ip } of hosts) {
        const address = transportAddress(ip, local.port, 'tcp')
        if (address.family === local.family) this.#offer('host', address, address)
      }
    }
    tools.watchForwarded(({ external, internal }) => {
      const isOurs = this.#listeners.some(({ local }) => local.port === internal.port)
      if (internal.transport === 'tcp' && isOurs) this.#offer('nat-assisted', external, internal)
    }, signal)
  }

  #offer(type: CandidateType, address: TransportAddress, base: TransportAddress): void {
    const { attempt, send } = this.#scene.context
    const candidate = localCandidate({ type, address, base, socket: 0, tcpType: 'passive' })
    send({ kind: 'candidate', attempt, candidate })
  }
}
