import type { Fact } from '../base/fact.ts'
import { inferred, measured, unknown } from '../base/fact.ts'
import { formatAddress } from '../base/transport-address.ts'
import type { AddressFamily, TransportAddress } from '../base/transport-address.ts'
import type { PublicAddressFact } from './report.ts'
import type { UdpDiagnosis } from './udp-diagnosis.ts'

const FAMILY_NAMES: Readonly<Record<AddressFamily, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' }

/** Whether UDP leaves and comes back over one family. */
export function udpWorksFact(diagnosis: UdpDiagnosis | undefined, family: AddressFamily): Fact<boolean> {
  const name = FAMILY_NAMES[family]
  if (diagnosis === undefined) return unknown(`no server with an ${name} address was asked`)
  const { discovery, localIp } = diagnosis
  if (localIp === undefined) return measured(false, `this host has no ${name} route to the servers`)
  const answered = discovery.contacts.filter((contact) => contact.answered)
  if (answered.length > 0) {
    return measured(true, ...answered.map(({ server }) => `${formatAddress(server)} answered`))
  }
  const silent = discovery.contacts.map(({ server, refused }) =>
    refused === undefined
      ? `${formatAddress(server)} did not answer`
      : `sending to ${formatAddress(server)} failed: ${refused}`,
  )
  if (silent.length === 0) return unknown('no server was asked')
  // One silent server may be down; two of them hardly are.
  const servers = new Set(discovery.contacts.map(({ server }) => server.ip))
  return servers.size > 1 ? measured(false, ...silent) : inferred(false, ...silent)
}

/** A public address that a server reported over TCP. */
export interface TcpObservation {
  readonly server: TransportAddress
  readonly mapped: TransportAddress
}

/** This host as servers see it, by UDP if possible, else by TCP. */
export function publicAddressFact(
  diagnosis: UdpDiagnosis | undefined,
  overTcp: readonly TcpObservation[],
  family: AddressFamily,
): PublicAddressFact {
  const seen = diagnosis?.discovery.publicAddress
  if (seen !== undefined) {
    const by = diagnosis?.discovery.contacts.find((contact) => contact.mapped !== undefined)?.server
    const who = by === undefined ? 'a STUN server' : formatAddress(by)
    return { ...measured(seen.ip, `${who} saw ${formatAddress(seen)} over UDP`), port: seen.port }
  }
  const tcp = overTcp.find(({ mapped }) => mapped.family === family)
  if (tcp !== undefined) {
    const evidence = `${formatAddress(tcp.server)} saw ${formatAddress(tcp.mapped)} over TCP`
    return { ...measured(tcp.mapped.ip, evidence), port: tcp.mapped.port }
  }
  if (diagnosis !== undefined && diagnosis.localIp === undefined) {
    return measured('none', `this host has no ${FAMILY_NAMES[family]} route to the servers`)
  }
  return unknown(`no server reported an ${FAMILY_NAMES[family]} address`)
}

/** Share of packets lost on the way there or back. */
export function lossFact(diagnosis: UdpDiagnosis | undefined): Fact<number> {
  const loss = diagnosis?.discovery.loss
  if (loss === undefined || loss.sent === 0) return unknown('no packet was answered')
  const rate = 1 - loss.answered / loss.sent
  return measured(rate, `${loss.answered} of ${loss.sent} round trips were completed`)
}

export function rttFact(diagnosis: UdpDiagnosis | undefined): Fact<number> {
  const rtt = diagnosis?.discovery.rttMs
  return rtt === undefined ? unknown('no packet was answered') : measured(rtt, 'smoothed over all answers')
}
