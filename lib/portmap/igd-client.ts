import type { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { IgdCall, IgdValues } from '../protocol/port-mapping/igd-actions.ts'
import type { IgdService } from '../protocol/port-mapping/igd-description.ts'
import type { SoapAnswer } from '../protocol/port-mapping/soap.ts'
import { decodeSoapAnswer, encodeSoapCall } from '../protocol/port-mapping/soap.ts'
import { describeUpnpError } from '../protocol/port-mapping/upnp-error.ts'
import { askGateway } from './gateway-http.ts'
import { refused } from './refusal.ts'

/**
 * Ours: routers answer in some 10 ms, a busy one in two seconds. UPnP Device Architecture 1.1 §3.2 allows 30, which
 * nobody waits for.
 */
export const ACTION_TIMEOUT_MS = 5000

/** How a call is made. */
export interface CallOptions {
  /** Default: {@link ACTION_TIMEOUT_MS}. */
  readonly timeoutMs?: number
  /** Default: the one that the system picks. */
  readonly localIp?: string
  readonly signal?: AbortSignal | undefined
}

/** One service of one gateway: calls its actions. Holds nothing open. */
export class IgdClient {
  readonly service: IgdService
  readonly gatewayIp: string
  readonly #runtime: Runtime

  constructor(runtime: Runtime, service: IgdService) {
    this.#runtime = runtime
    this.service = service
    this.gatewayIp = service.control.address.ip
  }

  /**
   * Calls an action. A fault is a value.
   * @throws {ReachError} ERR_REACH_TIMEOUT, ERR_REACH_SOCKET, ERR_REACH_DECODE
   */
  async call(call: IgdCall, options: CallOptions = {}): Promise<SoapAnswer> {
    const { serviceType, control } = this.service
    const { headers, body } = encodeSoapCall({ serviceType, ...call })
    const { timeoutMs = ACTION_TIMEOUT_MS, ...rest } = options
    const reply = await askGateway(this.#runtime, control, {
      method: 'POST',
      headers,
      body,
      timeoutMs,
      ...rest,
    })
    return decodeSoapAnswer(reply.status, reply.body, call.action)
  }

  /** Calls an action whose answer is nice to have: undefined for any failure but the signal's. */
  async ask(call: IgdCall, options: CallOptions = {}): Promise<IgdValues | undefined> {
    try {
      const answer = await this.call(call, options)
      return answer.kind === 'done' ? answer.values : undefined
    } catch {
      options.signal?.throwIfAborted()
      return undefined // whoever asks in this way can do without
    }
  }

  /** A fault as an error: ERR_REACH_MAPPING_REFUSED with UPnP's code in `details.resultCode`. */
  refusal(resultCode: number, meaning = describeUpnpError(resultCode)): ReachError {
    return refused({ protocol: 'upnp', gatewayIp: this.gatewayIp, resultCode, meaning })
  }
}
