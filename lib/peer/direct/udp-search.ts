import type { Duplex } from 'node:stream'
import { delay } from '../../base/deadline.ts'
import { deferred } from '../../base/deferred.ts'
import type { StreamUdpSocket } from '../../base/runtime.ts'
import type { TransportAddress } from '../../base/transport-address.ts'
import { formatAddress, sameAddress, transportAddress } from '../../base/transport-address.ts'
import type { LocalCandidateParts } from '../../protocol/ice/candidate.ts'
import type { DirectMessage, StreamIds, TriedSummary } from '../../protocol/signaling/direct-message.ts'
import type { DirectPort } from '../../punch/direct-port.ts'
import { IceRun } from '../../punch/ice-run.ts'
import type { DatagramCarrier } from '../../session/datagram-carrier.ts'
import { PunchSearch } from './punch-search.ts'
import { onceAllowed } from './search-scene.ts'
import type { SearchHalf, SearchScene } from './search-scene.ts'
import { holeCarrier, portCarrier } from './udp-carrier.ts'

/** What a search over UDP is given beside the scene. */
export interface UdpSearchSetup {
  /** At least one. */
  readonly ports: readonly DirectPort[]
  readonly ours: StreamIds
  readonly theirs: StreamIds
}

/** Where packets go through in both directions. */
interface UdpOpening {
  /** Which of the two ids the stream there has. */
  readonly way: keyof StreamIds
  readonly socket: StreamUdpSocket
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly carrier: DatagramCarrier
}

/** Ours: STUN servers that a port asks for its reflexive address; a second one shows a NAT with several addresses. */
const MAX_REFLEXIVE_SERVERS = 2
/** Ours: how long the checks of ICE go on when the punch has failed: a candidate that came late gets its chance. */
const ICE_GRACE_MS = 5000

/**
 * Looks for a path over UDP in two ways at once: ICE from the shared ports, which finds LANs, IPv6, public and forwarded
 * ports; and a punch from fresh ports, by the recipe for both sides' NATs over IPv4.
 */
export class UdpSearch implements SearchHalf {
  readonly done: Promise<void>
  readonly #scene: SearchScene
  readonly #setup: UdpSearchSetup
  readonly #ice: IceRun
  readonly #punch: PunchSearch
  readonly #found = deferred<undefined>()
  #hasFound = false

  constructor(scene: SearchScene, setup: UdpSearchSetup) {
    this.#scene = scene
    this.#setup = setup
    const { tools, context, credentials, theirs, maySendTo } = scene
    this.#ice = new IceRun({
      ...{ runtime: tools.runtime, credentials, maySendTo, ports: setup.ports },
      role: context.isControlling ? 'controlling' : 'controlled',
    })
    this.#ice.setRemote(theirs.credentials)
    this.#punch = new PunchSearch(scene, () => !this.#hasFound)
    this.done = this.#run()
  }

  get tried(): Omit<TriedSummary, 'tcpTries'> {
    const ice = this.#ice.counters
    const punch = this.#punch.counters
    return {
      recipe: punch?.recipe,
      sockets: this.#setup.ports.length + (punch?.sockets ?? 0),
      packetsSent: ice.checksSent + (punch?.packetsSent ?? 0),
      packetsHeard: ice.checksReceived + (punch?.checksReceived ?? 0),
    }
  }

  receive(message: DirectMessage): void {
    if (message.kind === 'candidate' && message.candidate.address.transport === 'udp') {
      const { candidate } = message
      onceAllowed(this.#scene, candidate.address, () => this.#ice.addRemote(candidate))
    } else if (message.kind === 'end') {
      this.#ice.endRemote()
    } else if (message.kind === 'found' && message.transport === 'udp') {
      this.#found.resolve(undefined)
    } else if (message.kind === 'punch' && message.transport === 'udp') {
      this.#punch.receive(message.text)
    } else if (message.kind === 'later') {
      this.#punch.postpone(message.waitMs)
    }
  }

  close(): void {
    this.#found.resolve(undefined)
    this.#ice.close()
    this.#punch.close()
  }

  async #run(): Promise<void> {
    const { signal } = this.#scene
    const ice = this.#runIce()
    const punch = this.#runPunch()
    const failed = Promise.all([ice, punch]).then(() => undefined)
    // Without a path, ICE is given a little longer than the punch.
    const lateEnd = punch.then(() => delay(this.#scene.tools.runtime.clock, ICE_GRACE_MS, signal))
    lateEnd.catch(() => undefined)
    await Promise.race([this.#found.promise, failed.then(() => this.#endedWithout()), lateEnd])
  }

  /** Both ways have ended. The called side has found what it found, and waits for the caller's word. */
  #endedWithout(): Promise<void> | undefined {
    return this.#hasFound ? this.#found.promise : undefined
  }

  async #runIce(): Promise<void> {
    void this.#gather()
    const path = await this.#ice.result
    if (path === undefined) return
    const { port, local, remote } = path
    await this.#use({ way: 'ice', socket: port.socket, local, remote, carrier: portCarrier(port, remote) })
  }

  async #runPunch(): Promise<void> {
    const hole = await this.#punch.run()
    if (hole === undefined) return
    const { socket, local, remote } = hole
    const isUsed = await this.#use({ way: 'punch', socket, local, remote, carrier: holeCarrier(hole) })
    if (!isUsed) socket.close()
  }

  /** Opens our end of the stream. The caller uses the first path alone; the called side any that the caller may choose. */
  async #use({ way, socket, local, remote, carrier }: UdpOpening): Promise<boolean> {
    const { tools, context, signal } = this.#scene
    const { isControlling, attempt, send, onFound } = context
    if (signal.aborted || (isControlling && this.#hasFound)) {
      carrier.close()
      return false
    }
    this.#hasFound = true
    const { ours, theirs } = this.#setup
    const stream: Duplex = socket.openStream({ localId: ours[way], remoteId: theirs[way], remote })
    if (way === 'punch') stream.once('close', () => socket.close())
    const ip = (await tools.runtime.network.sourceIpTowards(remote)) ?? local.ip
    const ourEnd = transportAddress(ip, local.port)
    const keepaliveMs = tools.udpKeepaliveMs()
    onFound({
      stream,
      about: {
        ...{ kind: 'direct-udp', via: formatAddress(remote), local: ourEnd, remote, carrier },
        ...(keepaliveMs === undefined ? {} : { keepaliveMs }),
      },
    })
    if (!isControlling) return true
    send({ kind: 'found', attempt, transport: 'udp' })
    this.#found.resolve(undefined)
    return true
  }

  /** Tells the peer where our shared ports may be reached, as it becomes known. */
  async #gather(): Promise<void> {
    const { tools, context, signal } = this.#scene
    const { ports } = this.#setup
    const hosts = await this.#scene.hosts
    if (signal.aborted) return
    for (const [socket, { local }] of ports.entries()) {
      for (const { ip, preference } of hosts) {
        const base = transportAddress(ip, local.port)
        if (base.family === local.family)
          this.#offer({ type: 'host', address: base, base, socket, preference })
      }
    }
    tools.watchForwarded(({ external, internal }) => {
      const socket = ports.findIndex(({ local }) => sameEnd(local, internal))
      if (socket >= 0) this.#offer({ type: 'nat-assisted', address: external, base: internal, socket })
    }, signal)
    await Promise.all([...ports.entries()].map(([socket, port]) => this.#gatherReflexive(socket, port)))
    this.#ice.endLocal()
    context.send({ kind: 'end', attempt: context.attempt })
  }

  async #gatherReflexive(socket: number, port: DirectPort): Promise<void> {
    const { tools, signal } = this.#scene
    const servers = (await tools.stunServers()).filter(({ family }) => family === port.local.family)
    const seen: TransportAddress[] = []
    await Promise.all(
      servers.slice(0, MAX_REFLEXIVE_SERVERS).map(async (server) => {
        const address = await port.askReflexive(server, signal)
        if (address === undefined || signal.aborted || seen.some((one) => sameAddress(one, address))) return
        seen.push(address)
        const ip = await tools.runtime.network.sourceIpTowards(server)
        const base = transportAddress(ip ?? port.local.ip, port.local.port)
        // Without a NAT it is the host candidate again.
        if (sameAddress(base, address)) return
        this.#offer({ type: 'srflx', address, base, socket, serverIp: server.ip })
      }),
    )
  }

  #offer(parts: LocalCandidateParts): void {
    if (this.#scene.signal.aborted) return
    const { attempt, send } = this.#scene.context
    send({ kind: 'candidate', attempt, candidate: this.#ice.addLocal(parts) })
  }
}

/** Our port, though it is bound to all addresses. */
function sameEnd(local: TransportAddress, { family, port, transport }: TransportAddress): boolean {
  return transport === 'udp' && local.family === family && local.port === port
}
