import { ReachError } from '../base/errors.ts'
import type { TransportAddress } from '../base/transport-address.ts'
import { formatAddress } from '../base/transport-address.ts'

/** The code that the system gave an error (`ECONNREFUSED`, …), or `UNKNOWN`. */
export function systemCode(error: unknown): string {
  return hasText(error, 'code') ? error.code : 'UNKNOWN'
}

/**
 * What failed to open a socket, as the error that {@link ReachError} users match on: a taken address is
 * ERR_REACH_ADDRESS_IN_USE, a forbidden bind is ERR_REACH_PERMISSION, all else is ERR_REACH_SOCKET. The system's code
 * is in `details.code`.
 */
export function bindError(error: unknown, local: TransportAddress): ReachError {
  const code = systemCode(error)
  const at = `${local.transport} ${formatAddress(local)}`
  const details = { code, local }
  switch (code) {
    case 'EADDRINUSE':
      return new ReachError('ERR_REACH_ADDRESS_IN_USE', `${at} is in use by another socket`, {
        cause: error,
        details,
        hint: 'choose another port, or end the program that holds this one',
      })
    case 'EACCES':
    case 'EPERM':
      return new ReachError('ERR_REACH_PERMISSION', `not permitted to open ${at}`, {
        cause: error,
        details,
        hint: 'ports below 1024 may need privileges: choose a higher one',
      })
    default:
      return new ReachError('ERR_REACH_SOCKET', `cannot open ${at}: ${meaning(code)}`, {
        cause: error,
        details,
      })
  }
}

/** What made a connection attempt fail, with the system's code in `details.code`. */
export function connectError(error: unknown, remote: TransportAddress): ReachError {
  const code = systemCode(error)
  return new ReachError('ERR_REACH_SOCKET', `cannot connect to ${formatAddress(remote)}: ${meaning(code)}`, {
    cause: error,
    details: { code, remote },
  })
}

/** What ended a stream over UDP, or kept it from being opened, with the code (ECONNRESET, ETIMEDOUT, …) in `details.code`. */
export function streamError(error: unknown): ReachError {
  const code = systemCode(error)
  return new ReachError('ERR_REACH_SOCKET', `the stream over UDP failed: ${meaning(code)}`, {
    cause: error,
    details: { code },
  })
}

/** True when the system refused the local end of a socket (its bind), not the remote one. */
export function isBindError(error: unknown): boolean {
  return (hasText(error, 'syscall') && error.syscall === 'bind') || systemCode(error) === 'EADDRINUSE'
}

/** POSIX error codes in the words of somebody who looks at a network. */
const MEANINGS: Readonly<Record<string, string>> = {
  EADDRNOTAVAIL: 'this host does not have that local address',
  EAFNOSUPPORT: 'this host does not speak that address family',
  ECONNREFUSED: 'nothing listens there, or a firewall refused',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'the host cannot be reached',
  EINVAL: 'the system calls the address invalid',
  EMFILE: 'this process has too many open files',
  ENETDOWN: 'the network interface is down',
  ENETUNREACH: 'there is no route to that network',
  EPERM: 'a firewall of this host forbids it',
  ETIMEDOUT: 'no answer',
}

function meaning(code: string): string {
  const words = MEANINGS[code]
  return words === undefined ? code : `${words} (${code})`
}

function hasText<Key extends string>(error: unknown, key: Key): error is Record<Key, string> {
  return (
    typeof error === 'object' && error !== null && key in error && typeof Reflect.get(error, key) === 'string'
  )
}
