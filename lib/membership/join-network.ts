import { formatEndpoint } from '../base/endpoint.ts'
import type { Endpoint } from '../base/endpoint.ts'
import { ReachError } from '../base/errors.ts'
import { fromBase64, toBase64 } from '../base/base64.ts'
import type { PeerId } from '../base/peer-id.ts'
import type { Role } from '../base/peer-name.ts'
import type { RelayDialer } from '../base/relay-dialer.ts'
import type { Runtime } from '../base/runtime.ts'
import { Certificate } from '../identity/certificate/certificate.ts'
import { claimOf } from '../identity/certificate/claim.ts'
import { makeCertificateRequest } from '../identity/issue/certificate-request.ts'
import { openKeyFile } from '../identity/keys/key-file.ts'
import type { KeyPair } from '../identity/keys/key-pair.ts'
import type { MembershipPaths, MembershipRecord } from '../identity/membership-file.ts'
import {
  membershipPaths,
  readMembership,
  writeDenyList,
  writeMembership,
} from '../identity/membership-file.ts'
import { decideTrust } from '../identity/trust/decide-trust.ts'
import type { AcceptedDenyList } from '../identity/trust/deny-list.ts'
import { acceptDenyList } from '../identity/trust/deny-list.ts'
import type { AcceptedRootSet } from '../identity/trust/root-set.ts'
import { acceptPinnedRootSet } from '../identity/trust/root-set.ts'
import { fromWireStatement } from '../identity/trust/statement.ts'
import type { IssuedReply, NetworkReply } from '../protocol/relay/control-reply.ts'
import type { JoinString } from '../protocol/relay/join-string.ts'
import { parseJoinString } from '../protocol/relay/join-string.ts'
import { checkRelay, clockError } from './clock-difference.ts'
import { ControlClient } from './control-client.ts'
import { holdMemberHome } from './hold-home.ts'

/** How a network is joined. */
export interface EnrolOptions {
  readonly home: string
  /** What `p2p-reach invite` printed. A secret. */
  readonly joinString: string
  readonly runtime: Runtime
  /** How relays are dialled. Default: by TCP, and in no other way; of the public `joinNetwork`: every way. */
  readonly dialer?: RelayDialer
  /** Leave the network that the home belongs to. Default: refuse. */
  readonly replace?: boolean
  /** Use a key file that others can read. Default: refuse. */
  readonly allowOpenKeyFile?: boolean
  readonly signal?: AbortSignal
}

/** What a member is now. */
export interface JoinResult {
  readonly peerId: PeerId
  readonly name: string
  readonly roles: readonly Role[]
  readonly domain: string
  readonly relays: readonly string[]
  /** When the certificate ends; it renews itself before. */
  readonly notAfterMs: number
  /** How far this computer's clock is ahead of the relay's. */
  readonly clockSkewMs: number
}

/** What the public `joinNetwork` does once it is known how relays are dialled. @throws {ReachError} as it does */
export async function joinNetwork(options: EnrolOptions): Promise<JoinResult> {
  const { home, runtime, signal } = options
  signal?.throwIfAborted()
  const string = parseJoinString(options.joinString)
  const paths = membershipPaths(home)
  const lock = await holdMemberHome(home)
  try {
    await checkNotMember(paths, options)
    const keys = await openKeyFile(paths.key, { allowOpenPermissions: options.allowOpenKeyFile === true })
    const { client, network, relay } = await findRelay(string, runtime, options.dialer, signal)
    try {
      return await enrol({ client, network, relay, keys, string, paths, runtime, signal })
    } finally {
      client.close()
    }
  } finally {
    await lock.close()
  }
}

interface Found {
  readonly client: ControlClient
  readonly network: NetworkReply
  readonly relay: Endpoint
}

/** The first relay of the string that answers. */
async function findRelay(
  { relays }: JoinString,
  runtime: Runtime,
  dialer: RelayDialer | undefined,
  signal: AbortSignal | undefined,
): Promise<Found> {
  let last: unknown
  for (const relay of relays) {
    try {
      const client = await ControlClient.open({
        runtime,
        dialer,
        relay,
        ...(signal === undefined ? {} : { signal }),
      })
      try {
        return { client, relay, network: await client.ask({ type: 'ask-network' }, ['network'], signal) }
      } catch (error) {
        client.close()
        throw error
      }
    } catch (error) {
      signal?.throwIfAborted()
      last = error
    }
  }
  throw last
}

interface Enrolment extends Found {
  readonly keys: KeyPair
  readonly string: JoinString
  readonly paths: MembershipPaths
  readonly runtime: Runtime
  readonly signal: AbortSignal | undefined
}

async function enrol(enrolment: Enrolment): Promise<JoinResult> {
  const { client, network, keys, string, paths, runtime, signal } = enrolment
  const rootSet = pinnedRoots(enrolment, network)
  const nowMs = runtime.clock.wallMs()
  checkRelay(client.relayChain, { network: rootSet, role: 'relay' }, nowMs, network.timeMs)
  const request = toBase64(await makeCertificateRequest(keys))
  const { tokenId } = string
  const issued = await client.ask(
    { type: 'enrol', tokenId, secret: string.secret.reveal(), request },
    ['issued'],
    signal,
  )
  const { issuedRecord, denyList } = membershipOf(issued, rootSet, keys, runtime.clock.wallMs())
  const record = { ...issuedRecord, ssh: string.ssh }
  if (denyList !== undefined) await writeDenyList(paths.denyList(rootSet.domain), denyList)
  await writeMembership(paths.membership, record)
  const [leaf] = record.chain
  const claim = leaf === undefined ? undefined : claimOf(leaf)
  return {
    peerId: keys.peerId,
    name: claim?.name ?? '',
    roles: claim?.roles ?? [],
    domain: rootSet.domain,
    relays: record.relays,
    notAfterMs: leaf?.notAfterMs ?? 0,
    clockSkewMs: runtime.clock.wallMs() - issued.timeMs,
  }
}

/** The pin decides, not the time: our clock may be what is wrong. */
function pinnedRoots({ string, relay }: Enrolment, network: NetworkReply): AcceptedRootSet {
  try {
    return acceptPinnedRootSet(fromWireStatement(network.rootSet), string.rootSha256, network.timeMs)
  } catch (error) {
    if (!ReachError.is(error)) throw error
    throw new ReachError(
      'ERR_REACH_JOIN_WRONG_ROOT',
      `the relay ${formatEndpoint(relay)} is not of the network that the join string names`,
      {
        cause: error,
        hint: 'do not go on if you can’t explain it: somebody may stand between you and the relay. Ask for a new string',
      },
    )
  }
}

/** What was issued, checked as if it came from a stranger. */
export function membershipOf(
  issued: IssuedReply,
  rootSet: AcceptedRootSet,
  keys: KeyPair,
  nowMs: number,
): {
  readonly issuedRecord: Omit<MembershipRecord, 'ssh'>
  readonly denyList: AcceptedDenyList | undefined
} {
  const chain = issued.chain.map((text) => Certificate.decode(fromBase64(text)))
  const decision = decideTrust(chain, { network: rootSet, peerId: keys.peerId, name: nameIn(chain) }, nowMs)
  if (decision.kind === 'refused') {
    const isDate =
      decision.code === 'ERR_REACH_TRUST_EXPIRED' || decision.code === 'ERR_REACH_TRUST_NOT_YET_VALID'
    if (isDate) throw clockError(nowMs, issued.timeMs)
    throw new ReachError(
      decision.code,
      `the relay issued a certificate that does not hold: ${decision.message}`,
    )
  }
  const { relays, renewGraceMs } = issued
  const statement = issued.denyList
  const denyList =
    statement === undefined
      ? undefined
      : acceptDenyList(fromWireStatement(statement), rootSet, undefined, issued.timeMs)
  return { issuedRecord: { chain, rootSet, relays, renewGraceMs }, denyList }
}

/** With a name asked for, a chain has to vouch for it: the key alone is ours in any case. */
function nameIn(chain: readonly Certificate[]): string {
  const [leaf] = chain
  return (leaf === undefined ? undefined : claimOf(leaf)?.name) ?? ''
}

async function checkNotMember(paths: MembershipPaths, { replace, home }: EnrolOptions): Promise<void> {
  if (replace === true) return
  const record = await readMembership(paths.membership)
  if (record === undefined) return
  const [leaf] = record.chain
  const claim = leaf === undefined ? undefined : claimOf(leaf)
  throw new ReachError(
    'ERR_REACH_ALREADY_MEMBER',
    `${home} belongs to the network ${record.rootSet.domain} as ${claim?.name ?? 'a member'}`,
    {
      hint: 'name another folder with  --home DIR  or leave that network with  --replace',
    },
  )
}
