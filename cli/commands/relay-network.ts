import type { Endpoint, Runtime } from '../../lib/index.ts'
import {
  Membership,
  ReachError,
  formatEndpoint,
  keepMembership,
  parseEndpoint,
  parsePeerName,
} from '../../lib/index.ts'
import type { JoinedNetworkOptions, OwnNetworkOptions } from '../../relay-server/relay-server.ts'
import { hasAuthority, readExternalCa } from '../../relay-server/relay-server.ts'
import { waysOf } from '../network-access.ts'
import { parseDuration } from '../duration.ts'
import type { SettingSpecs, Settings } from '../settings.ts'
import { joinedNetwork } from './joined-network.ts'

/** Settings of `relay up` that are about its network. */
export const NETWORK_SPECS: SettingSpecs = {
  name: { kind: 'text' },
  network: { kind: 'text' },
  public: { kind: 'list' },
  'no-network': { kind: 'flag' },
  'external-ca': { kind: 'text' },
  'external-ca-key': { kind: 'text' },
  'renew-grace': { kind: 'text' },
  'certificate-lifetime': { kind: 'text' },
}

/** What the settings say of the network. */
export interface NetworkCommand {
  readonly name: string
  readonly label: string
  /** Where others reach the relay, as the operator says; empty: its own addresses. */
  readonly publicAddresses: readonly Endpoint[]
  readonly externalCa: { readonly chainFile: string; readonly keyFile: string } | undefined
  readonly renewGraceMs: number | undefined
  readonly leafLifetimeMs: number | undefined
}

const DEFAULT_TCP_PORT = 443
/** Ours: the label is a part of the network's domain, which stands in certificates with limits of their own. */
const MAX_LABEL_LENGTH = 24
/** Ours: shorter than this, members would do nothing but renew. */
const MIN_LIFETIME_MS = 5000

/** Undefined when the relay shall have no network. @throws {ReachError} ERR_REACH_USAGE, ERR_REACH_NAME, ERR_REACH_ADDRESS */
export function parseNetwork(settings: Settings): NetworkCommand | undefined {
  if (settings.flag('no-network') || settings.flag('no-tls')) return undefined
  const label = parsePeerName(settings.text('network') ?? 'net')
  if (label.length > MAX_LABEL_LENGTH) {
    throw new ReachError('ERR_REACH_NAME', `the network's name has more than ${MAX_LABEL_LENGTH} letters`, {
      hint: 'choose a shorter one',
    })
  }
  const grace = settings.text('renew-grace')
  const lifetime = settings.text('certificate-lifetime')
  const leafLifetimeMs = lifetime === undefined ? undefined : parseDuration(lifetime, 'certificate-lifetime')
  if (leafLifetimeMs !== undefined && leafLifetimeMs < MIN_LIFETIME_MS) {
    throw new ReachError('ERR_REACH_USAGE', 'certificates must live for at least 5 s', {
      hint: 'leave it at 24h',
    })
  }
  return {
    name: parsePeerName(settings.text('name') ?? 'relay'),
    label,
    publicAddresses: settings.list('public').map((text) => parseEndpoint(text, DEFAULT_TCP_PORT)),
    externalCa: parseExternalCa(settings),
    renewGraceMs: grace === undefined ? undefined : parseDuration(grace, 'renew-grace'),
    leafLifetimeMs,
  }
}

function parseExternalCa(settings: Settings): NetworkCommand['externalCa'] {
  const chainFile = settings.text('external-ca')
  const keyFile = settings.text('external-ca-key')
  if (chainFile === undefined && keyFile === undefined) return undefined
  if (chainFile !== undefined && keyFile !== undefined) return { chainFile, keyFile }
  throw new ReachError('ERR_REACH_USAGE', 'an external CA needs its chain and its key', {
    hint: 'give both --external-ca and --external-ca-key',
  })
}

/** The network of the relay, and what has to go on beside it. */
export interface NetworkPlan {
  readonly options: OwnNetworkOptions | JoinedNetworkOptions
  /** Where others reach the relay. */
  readonly publicAddresses: () => readonly Endpoint[]
  /** Keeps the membership of a relay that has joined somebody else's network. Resolves when the signal fires. */
  readonly keep: (signal: AbortSignal) => Promise<void>
}

/** Its own network, unless the home has joined one as a relay. @throws {ReachError} */
export async function planNetwork(
  command: NetworkCommand,
  home: string,
  runtime: Runtime,
  ownAddresses: () => readonly Endpoint[],
): Promise<NetworkPlan> {
  const publicAddresses = () =>
    command.publicAddresses.length > 0 ? command.publicAddresses : ownAddresses()
  const membership = (await hasAuthority(home)) ? undefined : await membershipIn(home, runtime)
  if (membership !== undefined) return joinedPlan(membership, runtime, publicAddresses)
  const { name, label, externalCa, renewGraceMs, leafLifetimeMs } = command
  const ca =
    externalCa === undefined
      ? undefined
      : await readExternalCa(externalCa.chainFile, externalCa.keyFile, runtime.clock.wallMs())
  return {
    options: {
      ...{ kind: 'own', home, name, label, publicAddresses },
      ...(ca === undefined ? {} : { externalCa: ca }),
      ...(renewGraceMs === undefined ? {} : { renewGraceMs }),
      ...(leafLifetimeMs === undefined ? {} : { leafLifetimeMs }),
    },
    publicAddresses,
    keep: () => Promise.resolve(),
  }
}

async function membershipIn(home: string, runtime: Runtime): Promise<Membership | undefined> {
  try {
    return await Membership.open({ home, runtime, dialer: waysOf(home, runtime) })
  } catch (error) {
    if (ReachError.is(error, 'ERR_REACH_NOT_A_MEMBER')) return undefined
    throw error
  }
}

function joinedPlan(
  membership: Membership,
  runtime: Runtime,
  publicAddresses: () => readonly Endpoint[],
): NetworkPlan {
  if (!membership.roles.includes('relay')) {
    throw new ReachError(
      'ERR_REACH_TRUST_ROLE',
      `${membership.name} may not be a relay of ${membership.domain}`,
      {
        hint: 'name another folder with  --home DIR,  or join with a string of  p2p-reach invite NAME --role relay',
      },
    )
  }
  return {
    options: joinedNetwork(membership),
    publicAddresses,
    keep: async (signal) => {
      const addresses = publicAddresses().map(formatEndpoint)
      try {
        await keepMembership(membership, { runtime, signal, addresses })
      } catch (error) {
        if (!signal.aborted) throw error
      }
    },
  }
}
