import type { Endpoint } from './endpoint.ts'
import { formatEndpoint, parseEndpoint } from './endpoint.ts'
import { ReachError } from './errors.ts'

/** An SSH server that carries sessions, and how to know that it is the right one. */
export interface SshUrl extends Endpoint {
  /** Whom to log in as; undefined for the user of this process. */
  readonly user: string | undefined
  /** Its host key as `ssh-keygen -l` prints it: `SHA256:` and 43 letters of base64. */
  readonly pin: string | undefined
  /** Peers meet at a port of the server that anybody can dial (sshd_config's `GatewayPorts clientspecified`). */
  readonly isPublic: boolean
}

/** RFC 4251 §4.1 has it from IANA. */
const DEFAULT_PORT = 22
const PIN_PATTERN = /^SHA256:[A-Za-z0-9+/]{43}$/
/** Ours: what useradd(8) lets through, and domains of directories. Nothing that a command line takes for an option. */
const USER_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}$/

/**
 * Reads `ssh://[USER@]HOST[:PORT][?public][#SHA256:FINGERPRINT]`.
 * @throws {ReachError} ERR_REACH_ADDRESS with a hint; a password is never shown
 */
export function parseSshUrl(input: string): SshUrl {
  const match =
    /^ssh:\/\/(?:(?<user>.*)@)?(?<host>[^@/?#]+)\/?(?:\?(?<query>[^#]*))?(?:#(?<pin>.*))?$/is.exec(
      input.trim(),
    )
  const { user, host, query, pin } = match?.groups ?? {}
  if (user?.includes(':') === true)
    throw invalid(input, 'leave out the password: log in with a key or an agent')
  if (host === undefined) throw invalid(input, 'write ssh://USER@HOST:PORT')
  if (user !== undefined && !USER_PATTERN.test(user)) throw invalid(input, 'that is no user name')
  if (query !== undefined && query !== 'public') throw invalid(input, 'what may follow the ? is  public')
  if (pin !== undefined && !PIN_PATTERN.test(pin)) {
    throw invalid(input, 'a pin is #SHA256:… as  ssh-keygen -l  prints the host key of the server')
  }
  return { ...endpointOf(input, host), user, pin, isPublic: query === 'public' }
}

/** True for text that is meant as an URL of an SSH server. */
export function isSshUrl(text: string): boolean {
  return /^\s*ssh:/i.test(text)
}

/** `ssh://user@host:22`, without its pin: what a path is told to lead over. */
export function formatSshUrl({ user, ...endpoint }: SshUrl): string {
  return `ssh://${user === undefined ? '' : `${user}@`}${formatEndpoint(endpoint)}`
}

function endpointOf(input: string, host: string): Endpoint {
  try {
    return parseEndpoint(host, DEFAULT_PORT)
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_ADDRESS')) throw error
    throw invalid(input, error.hint ?? 'write ssh://USER@HOST:PORT', error)
  }
}

function invalid(input: string, hint: string, cause?: unknown): ReachError {
  const shown = input.trim().replace(/^(ssh:\/\/).*@/is, '$1…@')
  return new ReachError('ERR_REACH_ADDRESS', `${JSON.stringify(shown)} is no URL of an SSH server`, {
    hint,
    cause,
    details: { text: shown },
  })
}
