import { ReachError } from '../../base/errors.ts'

/** A failed handshake as a ReachError, from what Node and OpenSSL say of it. */
export function tlsFailure(error: unknown): ReachError {
  if (ReachError.is(error, 'ERR_REACH_DECODE')) {
    const message = `the other side speaks another protocol: ${error.message}`
    return new ReachError('ERR_REACH_TLS', message, { cause: error })
  }
  if (ReachError.is(error)) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  if (VERSION_CODES.includes(code)) {
    return new ReachError('ERR_REACH_TLS_VERSION', 'the other side does not speak TLS 1.3', {
      cause: error,
      details: { code },
      hint: 'update the software on the other side',
    })
  }
  return new ReachError('ERR_REACH_TLS', `the TLS handshake failed: ${WORDS[code] ?? code}`, {
    cause: error,
    details: { code },
  })
}

const VERSION_CODES: readonly string[] = [
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  'ERR_SSL_NO_PROTOCOLS_AVAILABLE',
  'ERR_SSL_VERSION_TOO_LOW',
]

const WORDS: Readonly<Record<string, string>> = {
  ECONNRESET: 'the other side closed the connection',
  EPIPE: 'the other side closed the connection',
  ERR_STREAM_PREMATURE_CLOSE: 'the other side closed the connection',
  ERR_SSL_WRONG_VERSION_NUMBER: 'the other side does not speak TLS there',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'the other side does not speak TLS there',
  ERR_SSL_HTTP_REQUEST: 'the other side speaks plain HTTP',
  ERR_SSL_NO_APPLICATION_PROTOCOL: 'the other side speaks another protocol',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'the other side speaks another protocol',
  ERR_SSL_NO_SHARED_SIGNATURE_ALGORITHMS: 'the other side has no Ed25519 certificate',
  ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM: 'the other side has no Ed25519 certificate',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'the other side has no Ed25519 certificate',
}
