import type { Machine } from '../../lib/base/machine.ts'
import { unreachable } from '../../lib/base/exhaustive.ts'
import { Driver } from '../../lib/net/driver.ts'
import type { UdpInput } from '../../lib/protocol/stun/nat-survey.ts'
import type { SurveyEffect } from '../../lib/protocol/stun/survey-machine.ts'
import type { VirtualHost } from './virtual-host.ts'
import type { VirtualUdpSocket } from './virtual-udp-socket.ts'

/** A machine that has been started on a virtual host; the world's clock drives it. */
export interface StartedMachine {
  readonly isDone: boolean
  /** Packets that it has sent. */
  readonly packetsSent: number
}

/** Runs a machine on a host's sockets without promises, which makes thousands of runs a matter of seconds. */
export function startMachine(host: VirtualHost, machine: Machine<UdpInput, SurveyEffect>): StartedMachine {
  const sockets = new Map<number, VirtualUdpSocket>()
  const state = { isDone: false, packetsSent: 0 }
  const driver = new Driver<UdpInput, SurveyEffect>(machine, host.runtime.clock, (effect) => {
    switch (effect.kind) {
      case 'open': {
        const socket = host.openUdp({ family: effect.family })
        socket.wakesPromises = false
        sockets.set(effect.socket, socket)
        socket.onPacket = ({ bytes, from }) =>
          driver.feed({ kind: 'received', socket: effect.socket, bytes, from })
        driver.feed({ kind: 'opened', socket: effect.socket, local: socket.local })
        return
      }
      case 'send': {
        state.packetsSent++
        const ttl = effect.ttl === undefined ? undefined : { ttl: effect.ttl }
        sockets.get(effect.socket)?.send(effect.bytes, effect.to, ttl)
        return
      }
      case 'done':
        state.isDone = true
        driver.stop()
        for (const socket of sockets.values()) socket.close()
        return
      case 'news':
        return
      default:
        unreachable(effect)
    }
  })
  driver.feed({ kind: 'start' })
  return state
}
