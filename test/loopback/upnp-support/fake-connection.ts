import type { FakeCall } from './fake-igd.ts'
import { soapFault, soapResult } from './soap-reply.ts'
import type { FakeReply } from './soap-reply.ts'

/** A mapping that a fake router holds. */
export interface FakeMapping {
  readonly client: string
  readonly port: number
  readonly leaseS: number
}

/** What differs from an ordinary connection. */
export interface FakeConnectionOptions {
  readonly status?: string
  readonly externalIp?: string
  /** Only lease 0 is taken; other ones are refused with this code. */
  readonly leaseFault?: number
  /** Whatever is asked for belongs to somebody else. */
  readonly alwaysConflict?: boolean
  /** What is listed as lease. */
  readonly listedLeaseS?: number
}

/** A WANIPConnection with its table, and the pinholes of a WANIPv6FirewallControl. Mappings are for the caller alone. */
export class FakeConnection {
  /** By `UDP:PORT`. */
  readonly mappings = new Map<string, FakeMapping>()
  readonly pinholes = new Map<string, FakeMapping>()
  readonly #options: FakeConnectionOptions
  #nextPinhole = 1

  constructor(options: FakeConnectionOptions = {}) {
    this.#options = options
  }

  answer(call: FakeCall): FakeReply | undefined {
    const { status = 'Connected', externalIp = '203.0.113.1' } = this.#options
    switch (call.action) {
      case 'GetStatusInfo':
        return soapResult(call.action, { NewConnectionStatus: status, NewLastConnectionError: 'ERROR_NONE' })
      case 'GetExternalIPAddress':
        return soapResult(call.action, { NewExternalIPAddress: externalIp })
      case 'AddPortMapping':
        return this.#add(call, numberArg(call, 'newexternalport'))
      case 'AddAnyPortMapping':
        return this.#addAny(call)
      case 'DeletePortMapping':
        return this.mappings.delete(keyOf(call)) ? soapResult(call.action) : soapFault(714)
      case 'GetSpecificPortMappingEntry':
        return this.#specific(call)
      default:
        return this.#answerFirewall(call)
    }
  }

  #addAny(call: FakeCall): FakeReply {
    let port = numberArg(call, 'newexternalport')
    const isTaken = () => {
      const mapping = this.mappings.get(`${call.args.get('newprotocol') ?? ''}:${port}`)
      return mapping !== undefined && mapping.client !== call.args.get('newinternalclient')
    }
    while (isTaken()) port++
    return this.#add(call, port)
  }

  #add(call: FakeCall, externalPort: number): FakeReply {
    const { leaseFault, alwaysConflict = false } = this.#options
    const protocol = call.args.get('newprotocol') ?? ''
    const client = call.args.get('newinternalclient') ?? ''
    const leaseS = numberArg(call, 'newleaseduration')
    if (protocol !== 'UDP' && protocol !== 'TCP') return soapFault(402)
    if (client !== call.from) return soapFault(606)
    if (leaseS !== 0 && leaseFault !== undefined) return soapFault(leaseFault)
    const key = `${protocol}:${externalPort}`
    const older = this.mappings.get(key)
    if (alwaysConflict || (older !== undefined && older.client !== client)) return soapFault(718)
    this.mappings.set(key, { client, port: numberArg(call, 'newinternalport'), leaseS })
    return soapResult(call.action, call.action === 'AddPortMapping' ? {} : { NewReservedPort: externalPort })
  }

  #specific(call: FakeCall): FakeReply {
    const mapping = this.mappings.get(keyOf(call))
    if (mapping === undefined) return soapFault(714)
    return soapResult(call.action, {
      NewInternalPort: mapping.port,
      NewInternalClient: mapping.client,
      NewEnabled: 1,
      NewPortMappingDescription: 'p2p-reach',
      NewLeaseDuration: this.#options.listedLeaseS ?? mapping.leaseS,
    })
  }

  /** WANIPv6FirewallControl:1, towards the caller alone. */
  #answerFirewall(call: FakeCall): FakeReply | undefined {
    const id = call.args.get('uniqueid') ?? ''
    switch (call.action) {
      case 'GetFirewallStatus':
        return soapResult(call.action, { FirewallEnabled: 1, InboundPinholeAllowed: 1 })
      case 'AddPinhole': {
        const client = call.args.get('internalclient') ?? ''
        if (client !== call.from) return soapFault(606)
        const newId = String(this.#nextPinhole++)
        const [port, leaseS] = [numberArg(call, 'internalport'), numberArg(call, 'leasetime')]
        this.pinholes.set(newId, { client, port, leaseS })
        return soapResult(call.action, { UniqueID: newId })
      }
      case 'UpdatePinhole': {
        const pinhole = this.pinholes.get(id)
        if (pinhole === undefined) return soapFault(704)
        this.pinholes.set(id, { ...pinhole, leaseS: numberArg(call, 'newleasetime') })
        return soapResult(call.action)
      }
      case 'DeletePinhole':
        return this.pinholes.delete(id) ? soapResult(call.action) : soapFault(704)
      default:
        return undefined
    }
  }
}

function keyOf(call: FakeCall): string {
  return `${call.args.get('newprotocol') ?? ''}:${call.args.get('newexternalport') ?? ''}`
}

function numberArg(call: FakeCall, name: string): number {
  return Number(call.args.get(name) ?? Number.NaN)
}
