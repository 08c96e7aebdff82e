import { ReachError } from '../base/errors.ts'
import { ipScope } from '../base/ip-range.ts'
import type { UdpPacket, UdpSocket } from '../base/runtime.ts'
import { SSDP_MULTICAST_IP, SSDP_MULTICAST_IPV6, SSDP_PORT } from '../protocol/port-mapping/ssdp.ts'
import { decodeNotify, deviceOfUsn } from '../protocol/port-mapping/ssdp-notify.ts'
import type { SsdpNotify } from '../protocol/port-mapping/ssdp-notify.ts'
import { linkLocalAddresses } from './client-address.ts'
import type { MapperSetup } from './gateway-mapper.ts'
import type { UpnpDevice } from './upnp-device.ts'

/** Ours: a host asks one device for ports, and another when that one refuses. */
const MAX_DEVICES = 8

interface HeardDevice {
  readonly ip: string
  bootId: number | undefined
  hasLeft: boolean
}

/**
 * Hears whether the devices that mapped ports leave or start anew (UPnP Device Architecture 1.1 §1.2), so that mappings are
 * made anew in seconds, and not at their next renewal. Costs nothing while they are silent.
 */
export class UpnpAnnouncements {
  readonly #setup: MapperSetup
  readonly #onReset: () => void
  /** By `uuid:…`. */
  readonly #devices = new Map<string, HeardDevice>()
  #socket: Promise<UdpSocket | undefined> | undefined
  #isClosed = false

  constructor(setup: MapperSetup, onReset: () => void) {
    this.#setup = setup
    this.#onReset = onReset
  }

  /** Hears this device, too. Resolves when it does, or can't: then a restart is noticed at the next renewal. */
  async listen({ ip, udn, bootId }: UpnpDevice): Promise<void> {
    if (udn === undefined || this.#isClosed) return
    if (this.#devices.size >= MAX_DEVICES && !this.#devices.has(udn)) return
    this.#devices.set(udn, { ip, bootId, hasLeft: false })
    await (this.#socket ??= this.#open())
  }

  close(): void {
    this.#isClosed = true
    void this.#socket?.then((socket) => socket?.close())
  }

  async #open(): Promise<UdpSocket | undefined> {
    const { runtime, gateway } = this.#setup
    const { family } = gateway
    const via = this.#via()
    if (via === undefined) return undefined
    const group = family === 'ipv4' ? SSDP_MULTICAST_IP : SSDP_MULTICAST_IPV6
    try {
      const socket = await runtime.network.openUdp({ family, port: SSDP_PORT, joins: [{ group, via }] })
      socket.onPacket = (packet) => this.#hear(packet)
      return socket
    } catch (error) {
      if (!ReachError.is(error)) throw error
      return undefined // another program has the port for itself
    }
  }

  /** IPv6 groups are joined by the interface: this host's link-local address there. */
  #via(): string | undefined {
    const { runtime, gateway, clientIp } = this.#setup
    if (gateway.family === 'ipv4') return clientIp
    return linkLocalAddresses(runtime.network, gateway)[0]
  }

  #hear({ bytes, from }: UdpPacket): void {
    const notify = notifyIn(bytes)
    if (notify === undefined) return
    const device = this.#devices.get(deviceOfUsn(notify.usn))
    // Over IPv6, a device announces itself from its link-local address, whichever one it answers from.
    if (device === undefined || (device.ip !== from.ip && ipScope(from.ip) !== 'link-local')) return
    const { kind, bootId = device.bootId, nextBootId } = notify
    // Each comes many times over, once for each part of the device.
    switch (kind) {
      case 'update': // it says so to be believed: the boot id changes, and nothing is lost
        device.bootId = nextBootId ?? bootId
        return
      case 'byebye': {
        const isNews = !device.hasLeft
        device.hasLeft = true
        if (isNews) this.#onReset()
        return
      }
      case 'alive': {
        const isNews = device.hasLeft || bootId !== device.bootId
        device.hasLeft = false
        device.bootId = bootId
        if (isNews) this.#onReset()
      }
    }
  }
}

function notifyIn(bytes: Uint8Array): SsdpNotify | undefined {
  try {
    return decodeNotify(bytes)
  } catch {
    return undefined // anybody on the LAN can send garbage, and searches come here, too
  }
}
