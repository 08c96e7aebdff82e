import { unreachable } from '../../lib/base/exhaustive.ts'
import type { NatBehavior } from '../../lib/base/nat-behavior.ts'
import type { TransportAddress } from '../../lib/base/transport-address.ts'
import { Driver } from '../../lib/net/driver.ts'
import { iceCredentials } from '../../lib/protocol/ice/connectivity-check.ts'
import { PunchMachine } from '../../lib/protocol/punch/punch-machine.ts'
import type { PunchEffect, PunchInput } from '../../lib/protocol/punch/punch-options.ts'
import { decodePunchMessage, encodePunchMessage } from '../../lib/protocol/punch/punch-message.ts'
import type { VirtualHost } from './virtual-host.ts'
import { VirtualInternet } from './virtual-internet.ts'
import type { NatBehaviorOptions, PortChoice } from './virtual-nat-options.ts'
import type { VirtualUdpSocket } from './virtual-udp-socket.ts'

/** How two peers and what lies between them are set up. */
export interface PunchScene {
  readonly seed: number
  readonly one: NatBehaviorOptions
  readonly other: NatBehaviorOptions
  /** One way, from a peer to the core. */
  readonly delayMs: number
  /** On each peer's link. */
  readonly loss: number
  /** How much the second peer starts later than the first. */
  readonly skewMs: number
  /** One way, over the relay, added to twice the delay. @default 5 */
  readonly relayDelayMs?: number
}

/** What came of it. */
export interface PunchResult {
  /** Data went both ways over what both sides called connected. */
  readonly isDirect: boolean
  readonly recipe: string
  readonly packets: number
  readonly sockets: number
  /** From the first start to both being connected. */
  readonly ms: number
}

interface Side {
  readonly machine: PunchMachine
  readonly driver: Driver<PunchInput, PunchEffect>
  connected:
    { readonly socket: VirtualUdpSocket; readonly remote: TransportAddress; readonly ms: number } | undefined
  gotData: boolean
}

const DATA = Uint8Array.of(0x80, 1, 2, 3)

/** What a survey would have found out about such a NAT. */
export function measuredBehavior(nat: NatBehaviorOptions): NatBehavior {
  const ports: PortChoice = nat.ports ?? { kind: 'preserving' }
  const detail = ports.kind === 'sequential' ? { ports: { step: ports.step ?? 1 } } : {}
  return {
    mapping: nat.mapping ?? 'endpoint-independent',
    filtering: nat.filtering ?? 'address-and-port-dependent',
    portAllocation: ports.kind,
    ...detail,
  }
}

/** Lets two peers punch, and sends data over what they found. */
export function punch(scene: PunchScene): PunchResult {
  const { seed, one, other, delayMs, loss, skewMs, relayDelayMs = 5 } = scene
  const net = new VirtualInternet({ seed })
  const servers = [net.stunServer().address]
  const hosts = [one, other].map((options) =>
    net.host({
      behind: net.nat({ ...options, link: { delayMs: delayMs / 2 } }),
      link: { delayMs: delayMs / 2, loss },
    }),
  )
  const relayMs = 2 * delayMs + relayDelayMs
  const credentials = [1, 2].map(() => iceCredentials(net.random.bytes(24)))
  const sides: Side[] = []
  const signal = (index: number, text: string) =>
    net.clock.setTimer(relayMs, () =>
      sides[index]?.driver.feed({ kind: 'signal', message: decodePunchMessage(text) }),
    )
  for (const [index, host] of hosts.entries()) {
    const [mine, theirs] = index === 0 ? [one, other] : [other, one]
    const machine = new PunchMachine({
      role: index === 0 ? 'controlling' : 'controlled',
      family: 'ipv4',
      localCredentials: at(credentials, index),
      remoteCredentials: at(credentials, 1 - index),
      ours: measuredBehavior(mine),
      theirs: measuredBehavior(theirs),
      servers,
      signallingRttMs: 2 * relayMs,
      maySendTo: () => true,
      randomBytes: (length) => host.runtime.random.bytes(length),
    })
    sides.push(startSide(net, host, machine, (text) => signal(1 - index, text)))
  }
  sides[0]?.driver.feed({ kind: 'start' })
  net.clock.setTimer(skewMs, () => sides[1]?.driver.feed({ kind: 'start' }))
  for (let tick = 0; tick < 40; tick++) {
    net.clock.advance(500)
    if (sides.every(({ connected }) => connected !== undefined)) break
  }
  for (let tries = 0; tries < 5; tries++) {
    for (const { connected } of sides) connected?.socket.send(DATA, connected.remote)
    net.clock.advance(1000)
  }
  return {
    isDirect: sides.every(({ connected, gotData }) => connected !== undefined && gotData),
    recipe: sides[0]?.machine.recipe.name ?? '',
    packets: Math.max(...sides.map(({ machine }) => machine.counters.packetsSent)),
    sockets: Math.max(...sides.map(({ machine }) => machine.counters.sockets)),
    ms: Math.max(...sides.map(({ connected }) => connected?.ms ?? Infinity)),
  }
}

function at<T>(items: readonly T[], index: number): T {
  const item = items[index]
  if (item === undefined) throw new RangeError(`no item ${index}`)
  return item
}

function startSide(
  net: VirtualInternet,
  host: VirtualHost,
  machine: PunchMachine,
  signal: (text: string) => void,
): Side {
  const sockets = new Map<number, VirtualUdpSocket>()
  const driver = new Driver<PunchInput, PunchEffect>(machine, host.runtime.clock, (effect) => {
    switch (effect.kind) {
      case 'open': {
        const socket = host.openUdp({ family: effect.family })
        socket.wakesPromises = false
        sockets.set(effect.socket, socket)
        socket.onPacket = ({ bytes, from }) => {
          // RFC 7983: 0 to 3 is STUN; 128 is ours here.
          if (bytes[0] === DATA[0]) side.gotData = true
          else driver.feed({ kind: 'received', socket: effect.socket, bytes, from })
        }
        driver.feed({ kind: 'opened', socket: effect.socket, local: socket.local })
        return
      }
      case 'close':
        sockets.get(effect.socket)?.close()
        sockets.delete(effect.socket)
        return
      case 'send':
        sockets
          .get(effect.socket)
          ?.send(effect.bytes, effect.to, effect.ttl === undefined ? undefined : { ttl: effect.ttl })
        return
      case 'signal':
        return signal(encodePunchMessage(effect.message))
      case 'connected': {
        const socket = sockets.get(effect.socket)
        if (socket !== undefined) side.connected = { socket, remote: effect.remote, ms: net.clock.nowMs() }
        return
      }
      case 'failed':
        return
      default:
        unreachable(effect)
    }
  })
  const side: Side = { machine, driver, connected: undefined, gotData: false }
  return side
}
