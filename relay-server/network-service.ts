import { join } from 'node:path'
import type { Endpoint } from '../lib/base/endpoint.ts'
import { ClosingStack } from '../lib/base/closing-stack.ts'
import { formatEndpoint } from '../lib/base/endpoint.ts'
import type { Runtime } from '../lib/base/runtime.ts'
import { fileExists, removeTemporaryFiles } from '../lib/identity/files/atomic-file.ts'
import { openKeyFile } from '../lib/identity/keys/key-file.ts'
import type { TlsCredentials } from '../lib/identity/tls/tls-options.ts'
import { MAX_RELAYS } from '../lib/protocol/relay/control-reply.ts'
import type { RateLimitOptions } from '../lib/protocol/stun/rate-limit.ts'
import type { NetworkState } from '../lib/protocol/relay/control-reply.ts'
import { Authority } from './authority/authority.ts'
import { authorityPaths } from './authority/authority-paths.ts'
import { createAuthority, hasAuthority } from './authority/create-authority.ts'
import type { ExternalCa } from './authority/external-ca.ts'
import { AdminService } from './control/admin-service.ts'
import type { ControlCounters } from './control/control-server.ts'
import { ControlServer } from './control/control-server.ts'
import type { ProofLimits } from './control/port-prover.ts'
import { PortProver } from './control/port-prover.ts'
import type { RelayNetwork } from './control/relay-network.ts'
import type { DataCounters, DataLimits } from './data/data-service.ts'
import { DataService } from './data/data-service.ts'
import { holdHome } from './local-admin.ts'
import { OwnCertificate } from './own-certificate.ts'
import { openHostKey } from './ssh/host-key.ts'
import { SshService } from './ssh/ssh-service.ts'
import type { SshCounters } from './ssh/ssh-service.ts'

/** A network that the relay makes and keeps in its home folder. */
export interface OwnNetworkOptions {
  readonly kind: 'own'
  readonly home: string
  /** What the relay is called in its network. Default `relay`. */
  readonly name?: string
  /** Stands in the domain of a network that is made. Default `net`. */
  readonly label?: string
  /** For a network that is made: sign with this CA and not with a new one. */
  readonly externalCa?: ExternalCa
  /** Where others reach the relay: what join strings name. */
  readonly publicAddresses: () => readonly Endpoint[]
  readonly leafLifetimeMs?: number
  readonly renewGraceMs?: number
  /** Attempts to join, for each source. Default: see control-server.ts. */
  readonly tokenRate?: RateLimitOptions
  /** Of paths between members. Default: see data-service.ts and rendezvous.ts. */
  readonly dataLimits?: DataLimits
  /** Of proofs that members' ports are open. Default: see port-prover.ts. */
  readonly proofLimits?: ProofLimits
}

/** A network that the relay has joined, as whoever keeps its membership knows it. */
export interface JoinedNetworkOptions {
  readonly kind: 'joined'
  readonly network: RelayNetwork
  /** Calls back when the relay has another certificate. */
  readonly onCredentials: (listener: () => void) => void
  /** Of paths between members. Default: see data-service.ts and rendezvous.ts. */
  readonly dataLimits?: DataLimits
  /** Of proofs that members' ports are open. Default: see port-prover.ts. */
  readonly proofLimits?: ProofLimits
}

/** What the rest of the relay has to do with its network. */
export interface NetworkSurroundings {
  /** Called when the relay shows another certificate from now on. */
  readonly onCredentials: (credentials: TlsCredentials) => void
  /** UDP ports of this host that answer STUN, for members. */
  readonly stunPorts: readonly number[]
}

/** The part of the relay that knows a network: its authority if it is the relay's own, and the control service. */
export class NetworkService implements AsyncDisposable {
  readonly control: ControlServer
  readonly data: DataService
  readonly network: RelayNetwork
  /** Plain SSH clients; undefined on a relay that has joined: only the authority knows their keys. */
  readonly ssh: SshService | undefined
  readonly #resources: ClosingStack
  /** This start has made the network. */
  readonly isNew: boolean
  /** The root's private key, while it still lies in the relay's home and should not. */
  readonly rootKeyFile: string | undefined

  private constructor(
    services: {
      readonly control: ControlServer
      readonly data: DataService
      readonly ssh?: SshService
    },
    network: RelayNetwork,
    resources: ClosingStack,
    origin: { readonly isNew: boolean; readonly rootKeyFile: string | undefined },
  ) {
    this.control = services.control
    this.data = services.data
    this.ssh = services.ssh
    this.network = network
    this.#resources = resources
    this.isNew = origin.isNew
    this.rootKeyFile = origin.rootKeyFile
  }

  /** @throws {ReachError} ERR_REACH_HOME_IN_USE, ERR_REACH_HOME_DAMAGED, ERR_REACH_FILE, ERR_REACH_KEY_FILE… */
  static async open(
    runtime: Runtime,
    options: OwnNetworkOptions | JoinedNetworkOptions,
    around: NetworkSurroundings,
  ): Promise<NetworkService> {
    const { stunPorts } = around
    if (options.kind === 'joined') {
      const resources = new ClosingStack()
      const data = dataServiceOf(runtime, options.network, options.dataLimits)
      resources.use(data)
      const prover = new PortProver(runtime, options.proofLimits)
      const control = new ControlServer(runtime.clock, options.network, { data, prover, stunPorts })
      resources.defer(() => control.close())
      options.onCredentials(() => around.onCredentials(options.network.credentials))
      return new NetworkService({ control, data }, options.network, resources, {
        isNew: false,
        rootKeyFile: undefined,
      })
    }
    const resources = new ClosingStack()
    try {
      return await NetworkService.#openOwn(runtime, options, around, resources)
    } catch (error) {
      await resources.close()
      throw error
    }
  }

  static async #openOwn(
    runtime: Runtime,
    options: OwnNetworkOptions,
    { onCredentials, stunPorts }: NetworkSurroundings,
    resources: ClosingStack,
  ): Promise<NetworkService> {
    const { home, publicAddresses } = options
    const held = resources.use(await holdHome(home))
    await removeTemporaryFiles(home)
    await removeTemporaryFiles(authorityPaths(home).folder)
    const isNew = await createIfMissing(runtime, options)
    const rootKeyFile = await rootKeyIn(home)
    const authority = await Authority.open({
      ...options,
      random: runtime.random,
      wallMs: () => runtime.clock.wallMs(),
    })
    resources.defer(() => authority.close())
    const keys = await openKeyFile(join(home, IDENTITY_FILE))
    const own = resources.use(
      new OwnCertificate(runtime, authority, keys, options.name ?? 'relay', onCredentials),
    )
    await own.renew()
    const network: RelayNetwork = {
      trust: authority.trust,
      authority,
      get credentials() {
        return own.credentials
      },
      state: () => stateOf(authority, publicAddresses()),
    }
    const data = resources.use(dataServiceOf(runtime, network, options.dataLimits))
    const prover = new PortProver(runtime, options.proofLimits)
    const services = { data, prover, stunPorts }
    const control = new ControlServer(runtime.clock, network, services, options.tokenRate)
    resources.defer(() => control.close())
    const ssh = await SshService.open({
      hostKey: await openHostKey(home),
      keys: authority.sshKeys,
      isMember: (name) => isMemberOf(authority, name),
      clock: runtime.clock,
    })
    resources.defer(() => ssh.close())
    const admin = new AdminService(authority, {
      ssh: {
        hostKey: () => Promise.resolve(ssh.hostKey),
        connectionsOf: (fingerprint) => ssh.connectionsOf(fingerprint),
        exposedBy: (fingerprint) => ssh.exposedBy(fingerprint),
      },
      relays: publicAddresses,
      isConnected: (peerId) => peerId === keys.peerId || control.isConnected(peerId),
      connectedCount: () => control.counters.members,
    })
    control.setAdmin(admin)
    held.serve(admin)
    return new NetworkService({ control, data, ssh }, network, resources, { isNew, rootKeyFile })
  }

  get domain(): string {
    return this.network.trust.network.domain
  }

  get counters(): ControlCounters & DataCounters & Partial<SshCounters> {
    return { ...this.control.counters, ...this.data.counters, ...this.ssh?.counters }
  }

  /** Notes where the relay can be reached, for invitations that are made while it does not run. */
  async noteAddresses(addresses: readonly Endpoint[]): Promise<void> {
    const { authority, credentials, trust } = this.network
    const [own] = credentials.chain
    if (authority === undefined || own?.peerId === undefined) return
    const roots = trust.network.roots.map(({ spkiSha256 }) => spkiSha256)
    await authority.note(own.peerId, { roots, denyListNumber: 0 }, addresses.map(formatEndpoint))
  }

  close(): Promise<void> {
    return this.#resources.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function dataServiceOf(
  runtime: Runtime,
  { trust, authority }: RelayNetwork,
  limits: DataLimits = {},
): DataService {
  return new DataService({
    runtime,
    trust,
    knowsName: authority === undefined ? undefined : (name) => isMemberOf(authority, name),
    limits,
  })
}

function isMemberOf({ ledger }: Authority, name: string): boolean {
  return [...ledger.members.values()].some(
    (member) => member.name === name && member.revokedAtMs === undefined,
  )
}

/** Name of the key file in a home folder. */
export const IDENTITY_FILE = 'identity.pem'

/** True when it was missing. */
async function createIfMissing(runtime: Runtime, options: OwnNetworkOptions): Promise<boolean> {
  const { home, label = 'net', externalCa } = options
  if (await hasAuthority(home)) return false
  await createAuthority({ home, label, externalCa, random: runtime.random, nowMs: runtime.clock.wallMs() })
  return true
}

async function rootKeyIn(home: string): Promise<string | undefined> {
  const file = authorityPaths(home).rootKey
  return (await fileExists(file)) ? file : undefined
}

/** Member relays stand after the one that answers. */
function stateOf(authority: Authority, own: readonly Endpoint[]): NetworkState {
  const others = [...authority.ledger.members.values()].flatMap(({ addresses, revokedAtMs }) =>
    revokedAtMs === undefined ? addresses : [],
  )
  return authority.networkState([...new Set([...own.map(formatEndpoint), ...others])].slice(0, MAX_RELAYS))
}
