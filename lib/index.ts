/**
 * p2p-reach: makes any peer behind a NAT or firewall reachable. This is the only public door; it has no logic.
 *
 * ```ts
 * import { diagnose } from 'p2p-reach'
 * const report = await diagnose({ relays: ['https://relay.example.org'], signal: AbortSignal.timeout(5000) })
 * console.log(report.verdict.summary)
 * ```
 * @packageDocumentation
 */
export { diagnose } from './probe/diagnose.ts'
export type { DiagnoseOptions, DiagnoseProgress } from './probe/diagnose.ts'
export type {
  CaptivePortalFact,
  DiagnoseReport,
  DnsFact,
  EgressFact,
  EgressTransport,
  HopReport,
  InterfaceKind,
  InterfaceReport,
  Ipv6Report,
  MtuFact,
  NatReport,
  PerFamily,
  PortMappingFact,
  PortMappingValue,
  ProxyFact,
  PublicAddressFact,
  RelayReport,
  Remedy,
  Verdict,
  VerdictClass,
} from './probe/report.ts'
export { REPORT_SCHEMA } from './probe/report.ts'
export { isAnythingReachable, peerNetworkOf } from './probe/verdict.ts'
export type { AllocationFact, MappingFact } from './protocol/stun/nat-inference.ts'
export type {
  PairPrediction,
  PeerNetwork,
  PredictedOutcome,
  PredictedResult,
} from './protocol/ice/pair-prediction.ts'
export { predictPair, shortName } from './protocol/ice/pair-prediction.ts'
export type { Confidence, Fact } from './base/fact.ts'
export type {
  EndpointDependence,
  NatBehavior,
  PortAllocation,
  PortAllocationDetail,
} from './base/nat-behavior.ts'
export { ERROR_CODES, ReachError } from './base/errors.ts'
export type { ErrorCode, ReachErrorOptions } from './base/errors.ts'
export type { Endpoint } from './base/endpoint.ts'
export { formatEndpoint, parseEndpoint } from './base/endpoint.ts'
export type { RelayUrl } from './base/relay-url.ts'
export type { Targets } from './probe/targets.ts'
export { parseTargets } from './probe/targets.ts'
export type { IpScope } from './base/ip-range.ts'
export { ipScope } from './base/ip-range.ts'
export type { AddressFamily, Transport, TransportAddress } from './base/transport-address.ts'
export { canonicalIp, formatAddress, isIp, sameAddress, transportAddress } from './base/transport-address.ts'
export type { Runtime } from './base/runtime.ts'
export { nodeRuntime } from './net/node-runtime.ts'
