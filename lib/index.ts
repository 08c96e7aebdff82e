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
  InterfaceReport,
  Ipv6Report,
  MtuFact,
  NatReport,
  PeerWay,
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
export type { InterfaceKind } from './net/interface-kind.ts'
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
export type { PeerId } from './base/peer-id.ts'
export { isPeerId, parsePeerId, shortPeerId } from './base/peer-id.ts'
export type { Role } from './base/peer-name.ts'
export { ROLES, parsePeerName, parseRole } from './base/peer-name.ts'
export type { IdentityInfo, MembershipInfo, ReadIdentityOptions } from './membership/read-identity.ts'
export { openIdentity } from './membership/read-identity.ts'
export type { JoinResult } from './membership/join-network.ts'
export type { JoinOptions } from './peer/join.ts'
export { joinNetwork } from './peer/join.ts'
export type { RelayDialer } from './base/relay-dialer.ts'
export type { RelayWaysOptions } from './ways/relay-ways.ts'
export { RelayWays } from './ways/relay-ways.ts'
export type { WayFailure } from './ways/ways-error.ts'
export type { ProxyEnvironment } from './net/outward/proxy-environment.ts'
export type { OpenMembershipOptions } from './membership/membership.ts'
export { Membership } from './membership/membership.ts'
export type { KeepMembershipOptions } from './membership/keep-membership.ts'
export type { MembershipEvent } from './membership/membership-event.ts'
export { keepMembership } from './membership/keep-membership.ts'
export type { AskAuthority } from './membership/network-admin.ts'
export { NetworkAdmin, rootsOf } from './membership/network-admin.ts'
export type { AdminRequest, InviteRequest, InstallRootsRequest } from './protocol/relay/admin-request.ts'
export type {
  InviteResult,
  MemberStatus,
  NetworkStatus,
  RevokeResult,
} from './protocol/relay/admin-result.ts'
export type { SshKeyList, SshKeyRequest, SshKeyStatus, SshKeyUse } from './protocol/relay/ssh-key-request.ts'
export { parseSshKeyUse } from './protocol/relay/ssh-key-request.ts'
export { formatSpan } from './base/span.ts'
export { Certificate } from './identity/certificate/certificate.ts'
export type { TlsCredentials } from './identity/tls/tls-options.ts'
export type { ConnectSecurelyOptions } from './identity/tls/connect-securely.ts'
export { connectSecurely } from './identity/tls/connect-securely.ts'
export type { SecureServerOptions } from './identity/tls/secure-server.ts'
export { SecureServer } from './identity/tls/secure-server.ts'
export type { KeyExporter } from './identity/tls/key-exporter.ts'
export type { SecureChannel, SecureChannelOptions } from './identity/tls/secure-channel.ts'
export { decideTrust } from './identity/trust/decide-trust.ts'
export type {
  NetworkTrust,
  PeerIdentity,
  PresentedChain,
  TrustDecision,
  TrustPolicy,
  TrustRefusal,
} from './identity/trust/trust-policy.ts'
export type { TrustConditions } from './identity/trust/trust-store.ts'
export { TrustStore } from './identity/trust/trust-store.ts'
export type { Runtime } from './base/runtime.ts'
export { nodeRuntime } from './net/node-runtime.ts'
export type {
  ConnectDatagramsOptions,
  ConnectOptions,
  Exposure,
  ListenDatagramsOptions,
  ListenOptions,
  PeerOptions,
} from './peer/peer-options.ts'
export { Peer } from './peer/peer.ts'
export type { SshLoginOptions, SshRelayOptions } from './peer/ssh-relays.ts'
export type { SshUrl } from './base/ssh-url.ts'
export { parseSshUrl } from './base/ssh-url.ts'
export type { MapPortOptions, MappedPort } from './peer/map-port.ts'
export type { MapPortAloneOptions } from './peer/port-leases.ts'
export { mapPort } from './peer/port-leases.ts'
export type { LeaseState, RestoreReason } from './portmap/lease-state.ts'
export type { MappingGrant, MappingProtocol } from './protocol/port-mapping/mapping.ts'
export type {
  FailureCause,
  MappingProof,
  ProofFacts,
  ProofKind,
  UnprovenReason,
} from './protocol/port-mapping/mapping-proof.ts'
export type { MappingTrial } from './protocol/port-mapping/mapping-trial.ts'
export type { ProbeOutcome } from './protocol/relay/probe-outcome.ts'
export { proofHint } from './protocol/port-mapping/failure-cause.ts'
export type { PeerEvent, PeerNames } from './peer/peer-event.ts'
export type { DirectReport } from './peer/direct/direct-report.ts'
export type { WhyRelayed } from './peer/direct/why-relayed.ts'
export { networkWords, whyRelayed } from './peer/direct/why-relayed.ts'
export type { TriedSummary } from './protocol/signaling/direct-message.ts'
export type { NatSummary } from './protocol/signaling/nat-summary.ts'
export type { PingOptions, Pong } from './peer/peer-session.ts'
export { PeerSession } from './peer/peer-session.ts'
export type { ServeFlow, ServeStream } from './peer/service-table.ts'
export type { FlowHandler, FlowOptions } from './peer/served-flow.ts'
export type { ConnectionServer, ServiceHandler } from './peer/served-stream.ts'
export type { ServiceAddress } from './peer/service-address.ts'
export { parsePeer, parseServiceAddress, parseServiceName } from './peer/service-address.ts'
export type { ForwardTarget } from './peer/forward-target.ts'
export { formatForwardTarget, parseForwardTarget } from './peer/forward-target.ts'
export type { FlowCounts, ForwardEvent, Forwarding } from './peer/forwarding.ts'
export type { ExposeUdpOptions, ForwardUdpOptions } from './peer/forward-udp.ts'
export { exposeUdp, forwardUdp } from './peer/forward-udp.ts'
export type { ExposeOptions, ForwardOptions } from './peer/forward.ts'
export { exposeTarget, forwardTo } from './peer/forward.ts'
export type { Connector, ConnectorOptions, ReachAgentOptions } from './peer/reach-agent.ts'
export { ReachAgent, reachConnector } from './peer/reach-agent.ts'
export type { PathKind } from './session/path-pipe.ts'
export type { PathState } from './session/session-paths.ts'
export type { Session } from './session/session.ts'
export type { DatagramCarrier } from './session/datagram-carrier.ts'
export { DatagramFlow } from './session/datagram-flow.ts'
export type { SessionStream } from './session/session-stream.ts'
export type { PresentPeer } from './relay/relay-client.ts'
