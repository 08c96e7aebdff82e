import type { Endpoint } from '../base/endpoint.ts'
import { formatEndpoint } from '../base/endpoint.ts'
import type { ErrorCode } from '../base/errors.ts'
import { ReachError } from '../base/errors.ts'
import { unreachableRelay } from '../net/direct-dialer.ts'
import type { RungFailure } from './climb.ts'
import type { Rung } from './way-rung.ts'

/** Why one way failed; `code` is the system's, the protocol's or ours. */
export interface WayFailure {
  readonly way: string
  readonly code: string
  readonly message: string
}

/** The error of a relay that no way leads to: that of the most telling way, with all of them in `details.ways`. */
export function waysError(relay: Endpoint, failures: readonly RungFailure<Rung>[]): ReachError {
  const ways = failures.map(({ rung, error }) => wayFailure(rung, error))
  const told = failures.reduce<RungFailure<Rung> | undefined>(
    (best, one) => (best === undefined || rank(one) > rank(best) ? one : best),
    undefined,
  )
  const error = told?.error
  const details = { relay: formatEndpoint(relay), ways }
  if (ReachError.is(error) && !isOfTheNetwork(error)) {
    const { hint, message } = error
    return new ReachError(error.code, message, {
      ...{ cause: error, details: { ...error.details, ...details } },
      ...(hint === undefined ? {} : { hint }),
    })
  }
  const all = ways.map(({ way, message }) => `${way}: ${message}`).join('; ')
  const { message, hint = '' } = unreachableRelay(relay, all)
  return new ReachError('ERR_REACH_RELAY_UNREACHABLE', message, {
    ...{ cause: error, details, hint: hintOf(ways) ?? hint },
  })
}

function wayFailure({ way }: Rung, error: unknown): WayFailure {
  if (!(error instanceof Error)) return { way, code: 'UNKNOWN', message: String(error) }
  const code: unknown = ReachError.is(error)
    ? (error.details['code'] ?? error.code)
    : Reflect.get(error, 'code')
  return { way, code: typeof code === 'string' ? code : 'UNKNOWN', message: error.message }
}

/** Somebody answered who says more than that the network is in the way. */
function rank({ error }: RungFailure<Rung>): number {
  if (!ReachError.is(error)) return 0
  if (isOfTheNetwork(error)) return /^(HTTP|SOCKS) /.test(String(error.details['code'])) ? 2 : 1
  return error.code === 'ERR_REACH_TLS' ? 3 : 4
}

function isOfTheNetwork(error: ReachError): boolean {
  const codes: readonly ErrorCode[] = ['ERR_REACH_SOCKET', 'ERR_REACH_RELAY_UNREACHABLE', 'ERR_REACH_TIMEOUT']
  return codes.includes(error.code)
}

function hintOf(ways: readonly WayFailure[]): string | undefined {
  const wantsLogin = ways.some(({ code }) => /^HTTP 40[17]$/.test(code) || code.startsWith('SOCKS auth-'))
  if (!wantsLogin) return undefined
  return 'put the proxy’s user name and password into its URL:  HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT'
}
