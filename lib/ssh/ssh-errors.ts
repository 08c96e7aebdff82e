import type { ErrorCode } from '../base/errors.ts'
import { ReachError } from '../base/errors.ts'
import type { SshUrl } from '../base/ssh-url.ts'
import { formatSshUrl } from '../base/ssh-url.ts'

/** The server can't be reached, or what answers is no SSH server. */
export function sshUnreachable(url: SshUrl, why: string, cause?: unknown): ReachError {
  return sshError('ERR_REACH_SSH_UNREACHABLE', url, `can’t be reached: ${why}`, {
    cause,
    hint: `check that  ssh -p ${url.port} ${url.host}  gets there from here`,
  })
}

/** Nobody has said that this key is the server's. */
export function hostKeyUnknown(url: SshUrl, fingerprint: string, type: string): ReachError {
  return sshError(
    'ERR_REACH_SSH_HOST_KEY_UNKNOWN',
    url,
    `shows a host key that nobody vouches for: ${type} ${fingerprint}`,
    {
      hint: `compare it with  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub  on the server, then append  #${fingerprint}  to its URL, or log in once with ssh`,
      details: { fingerprint, type },
    },
  )
}

/** The server shows another key than it should: it was set up anew, or is another one. */
export function hostKeyChanged(url: SshUrl, fingerprint: string, isRevoked: boolean): ReachError {
  const what = isRevoked ? 'a host key that is marked as revoked' : 'another host key than is known of it'
  return sshError('ERR_REACH_SSH_HOST_KEY_CHANGED', url, `shows ${what}: ${fingerprint}`, {
    hint: `somebody may sit in between; if the server was set up anew, remove the old key:  ssh-keygen -R ${knownName(url)}`,
    details: { fingerprint, isRevoked },
  })
}

/** The server lets none of our keys in. @param tried what was shown, and what could not be */
export function authRefused(
  url: SshUrl,
  user: string,
  tried: readonly string[],
  cause?: unknown,
): ReachError {
  const what = tried.length === 0 ? 'there is no key here to show' : `tried ${tried.join(', ')}`
  return sshError('ERR_REACH_SSH_AUTH', url, `does not let ${user} in: ${what}`, {
    cause,
    hint: `append a public key of yours to ~${user}/.ssh/authorized_keys on the server, and load its key into an agent (ssh-add) if it has a passphrase`,
    details: { user, tried },
  })
}

/** The server forwards neither sockets nor ports. */
export function forwardingRefused(url: SshUrl, cause?: unknown): ReachError {
  return sshError('ERR_REACH_SSH_FORWARDING', url, 'forwards neither sockets nor ports to us', {
    cause,
    hint: 'its sshd_config needs  AllowTcpForwarding yes  (sockets depend on it, too), and authorized_keys no  restrict',
  })
}

/** The connection to the server is gone. */
export function sshLost(url: SshUrl, cause?: unknown): ReachError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return sshError('ERR_REACH_SSH_UNREACHABLE', url, `has gone away${why}`, {
    cause,
    hint: 'it is dialled again',
  })
}

/** How ssh and ssh-keygen call the server in known_hosts. */
function knownName({ host, port }: SshUrl): string {
  return port === 22 ? host : `"[${host}]:${port}"`
}

function sshError(
  code: ErrorCode,
  url: SshUrl,
  what: string,
  options: {
    readonly cause?: unknown
    readonly hint: string
    readonly details?: Readonly<Record<string, unknown>>
  },
): ReachError {
  const server = formatSshUrl(url)
  return new ReachError(code, `the SSH server ${server} ${what}`, {
    ...options,
    details: { server, ...options.details },
  })
}
