import { unreachable } from '../../base/exhaustive.ts'
import type { Fact } from '../../base/fact.ts'
import { inferred, measured, unknown } from '../../base/fact.ts'
import type { ResolveOutcome } from '../../base/runtime.ts'
import { formatAddress } from '../../base/transport-address.ts'
import type { EgressFact } from '../report.ts'
import type { Attempt, Failure } from '../../net/outward/attempt.ts'
import type { CertificateFacts, CertificateValidity } from '../../net/outward/certificate.ts'
import type { FamilyOutcome } from '../../net/outward/tcp.ts'
import type { TlsConnection, TlsTrust } from '../../net/outward/tls.ts'
import type { WebSocketAnswer } from '../../net/outward/websocket.ts'

/** What one step says about a way out; `ms` is the time it took. The rest of an EgressFact says which way. */
export type EgressFinding = Omit<EgressFact, 'relay' | 'transport' | 'port'>

/** A way that failed. Silence is no proof: the packet may have been lost, or the server be down. */
export function failedFinding(
  { code, message, ms }: Omit<Failure, 'kind'>,
  ...evidence: string[]
): EgressFinding {
  const fact =
    code === 'ETIMEDOUT' ? inferred(false, message, ...evidence) : measured(false, message, ...evidence)
  return { ...fact, error: code, ms }
}

/** Nothing was tried, because the name has no known address. */
export function unresolvedFinding(
  host: string,
  outcome: Exclude<ResolveOutcome, { kind: 'found' }>,
): EgressFinding {
  const why = outcome.kind === 'not-found' ? 'does not exist' : 'could not be resolved'
  return { ...unknown(`not tried: ${host} ${why} (${outcome.code})`), error: outcome.code }
}

/** One family's TCP. Undefined for a host without addresses of that family: there is nothing to report. */
export function tcpFinding(outcome: FamilyOutcome): EgressFinding | undefined {
  switch (outcome.kind) {
    case 'none':
      return undefined
    case 'connected': {
      const { to, ms } = outcome
      return { ...measured(true, `connected to ${formatAddress(to)}`), ip: to.ip, ms }
    }
    case 'failed': {
      const [refusal, ...others] = outcome.refusals
      if (refusal === undefined) return undefined
      return { ...failedFinding(refusal, ...others.map(({ message }) => message)), ip: refusal.to.ip }
    }
    default:
      return unreachable(outcome)
  }
}

/** What TLS and what runs inside it say when TCP did not come up. */
export function needsTcpFinding(failure: Omit<Failure, 'kind'>): EgressFinding {
  return { ...inferred(false, `needs TCP, which failed: ${failure.message}`), error: failure.code }
}

/** What a handshake tells: it may succeed and yet not be with whom it should. */
export function tlsFinding(handshake: Attempt<TlsConnection>): EgressFinding {
  if (handshake.kind === 'failed') return failedFinding(handshake)
  const { certificate, trust, protocol } = handshake.value
  const evidence = [
    `${protocol} with a certificate signed by ${certificate.issuer}`,
    ...trustEvidence(trust, certificate),
    ...validityEvidence(certificate.validity),
  ]
  const tlsTrusted = isTrusted(trust)
  const facts = { tlsIssuer: certificate.issuer, tlsTrusted, ms: handshake.ms }
  if (trust.kind !== 'intercepted') return { ...measured(true, ...evidence), ...facts }
  const error = `TLS is intercepted: certificate signed by ${certificate.issuer}`
  return { ...measured(false, ...evidence), ...facts, error }
}

/** What an Upgrade tells. `trust`: of the TLS connection around it, when there is one. */
export function webSocketFinding(
  upgraded: Attempt<WebSocketAnswer>,
  tls: TlsConnection | undefined,
): EgressFinding {
  if (upgraded.kind === 'failed') return failedFinding(upgraded)
  const around =
    tls === undefined ? {} : { tlsIssuer: tls.certificate.issuer, tlsTrusted: isTrusted(tls.trust) }
  return { ...upgradeFact(upgraded.value), ...around, ms: upgraded.ms }
}

function upgradeFact(answer: WebSocketAnswer): Fact<boolean> & { readonly error?: string } {
  switch (answer.kind) {
    case 'open':
      return measured(true, 'the server switched to WebSocket')
    case 'refused': {
      const error = `HTTP ${answer.status}`
      return { ...measured(false, `answered ${answer.status} instead of 101${answer.answeredBy}`), error }
    }
    case 'forged': {
      const error = 'wrong Sec-WebSocket-Accept'
      return { ...measured(false, `101 with a wrong Sec-WebSocket-Accept${answer.answeredBy}`), error }
    }
    default:
      return unreachable(answer)
  }
}

export function isTrusted(trust: TlsTrust): boolean {
  return trust.kind === 'pin' || trust.kind === 'authority'
}

function trustEvidence(trust: TlsTrust, { isSelfSigned, spkiSha256 }: CertificateFacts): readonly string[] {
  switch (trust.kind) {
    case 'pin':
      return ['its key is the one that the URL pins']
    case 'authority':
      return trust.pinDiffers
        ? ['a public authority vouches for it, though its key is not the one that the URL pins']
        : ['a public authority vouches for it']
    case 'intercepted':
      return [
        `its key is not the one that the URL pins, and no public authority vouches for it (${trust.reason})`,
        'somebody in between answers in the name of the relay, or the relay has a new key',
      ]
    case 'untrusted':
      return [
        trust.reason === 'ERR_TLS_CERT_ALTNAME_INVALID'
          ? 'it is not made out to this host (ERR_TLS_CERT_ALTNAME_INVALID)'
          : `${isSelfSigned ? 'it is self-signed' : 'no public authority vouches for it'} (${trust.reason})`,
        `if it is the relay's own, add #sha256=${spkiSha256} to its URL`,
      ]
    default:
      return unreachable(trust)
  }
}

function validityEvidence(validity: CertificateValidity): readonly string[] {
  switch (validity.kind) {
    case 'valid':
      return []
    case 'expired':
      return [`it expired on ${validity.date}, or the clock of this computer is ahead: check the clock`]
    case 'not-yet-valid':
      return [
        `it is valid only from ${validity.date}, or the clock of this computer is behind: check the clock`,
      ]
    default:
      return unreachable(validity)
  }
}
