import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { Driver } from '../net/driver.ts'
import { GatewayExchange } from '../protocol/port-mapping/gateway-exchange.ts'
import type { GatewayExchangeOptions } from '../protocol/port-mapping/gateway-exchange.ts'

/** What of an exchange its caller decides, and from which address of this host it goes out. */
export interface AskOptions<Answer> extends GatewayExchangeOptions<Answer> {
  /** PCP servers compare it with the address in the request (RFC 6887 §8.2). */
  readonly clientIp: string
  /** For messages: `PCP`, `NAT-PMP`. */
  readonly what: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks a gateway over a socket of its own and resolves with the answer; nothing is left open.
 * @throws {ReachError} ERR_REACH_TIMEOUT, ERR_REACH_SOCKET; rejects with the signal's reason when that fires
 */
export async function askGateway<Answer>(runtime: Runtime, options: AskOptions<Answer>): Promise<Answer> {
  const { clientIp, to, signal } = options
  signal?.throwIfAborted()
  const socket = await runtime.network.openUdp({ family: to.family, ip: clientIp })
  try {
    signal?.throwIfAborted()
    return await new Promise((resolve, reject) => {
      const machine = new GatewayExchange(options, runtime.clock.nowMs())
      const end = () => {
        driver.stop()
        signal?.removeEventListener('abort', onAbort)
      }
      const driver = new Driver(
        machine,
        runtime.clock,
        (effect) => {
          switch (effect.kind) {
            case 'send':
              socket.send(effect.bytes, effect.to)
              return
            case 'answered':
              end()
              resolve(effect.answer)
              return
            case 'timed-out':
              end()
              reject(silence(options, to))
          }
        },
        (error) => {
          end()
          reject(error instanceof Error ? error : new Error(String(error)))
        },
      )
      const onAbort = () => {
        end()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      socket.onPacket = (packet) => driver.feed(packet)
      driver.start()
    })
  } finally {
    socket.close()
  }
}

function silence({ what, timeoutMs }: AskOptions<unknown>, { ip }: TransportAddress): ReachError {
  return new ReachError('ERR_REACH_TIMEOUT', `${ip} does not answer ${what} within ${timeoutMs} ms`, {
    details: { gatewayIp: ip, timeoutMs },
  })
}
