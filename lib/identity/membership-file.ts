import { join } from 'node:path'
import { JsonReader } from '../base/json-reader.ts'
import { ReachError } from '../base/errors.ts'
import { readWireStatement } from '../protocol/relay/wire-statement.ts'
import type { Certificate } from './certificate/certificate.ts'
import { certificatesFromPem } from './certificate/certificate.ts'
import { writeFileAtomically } from './files/atomic-file.ts'
import { damaged } from './files/atomic-store.ts'
import { readTextFile } from './files/read-file.ts'
import type { AcceptedDenyList } from './trust/deny-list.ts'
import { acceptDenyList } from './trust/deny-list.ts'
import type { AcceptedRootSet } from './trust/root-set.ts'
import { readStoredRootSet } from './trust/root-set.ts'
import { fromWireStatement, toWireStatement } from './trust/statement.ts'

/** What a member keeps beside its key. Written in one step, so that it is never half of one network. */
export interface MembershipRecord {
  /** Its certificate, and those above it. */
  readonly chain: readonly Certificate[]
  readonly rootSet: AcceptedRootSet
  /** Relays of the network as HOST:PORT, best first. */
  readonly relays: readonly string[]
  /** SSH servers that the join string named, as URLs with the pins of their host keys. */
  readonly ssh: readonly string[]
  /** How long after its end the certificate can still be renewed. */
  readonly renewGraceMs: number
}

/** Files of a member's home folder. */
export interface MembershipPaths {
  readonly key: string
  readonly membership: string
  /** Of a network, by its domain: a home that changes networks must not mix them up. */
  readonly denyList: (domain: string) => string
  /** Held by the process that renews. */
  readonly lock: string
}

const SCHEMA = 'p2p-reach/membership/1'

/** The files of a member in a home folder. */
export function membershipPaths(home: string): MembershipPaths {
  return {
    key: join(home, 'identity.pem'),
    membership: join(home, 'membership.json'),
    denyList: (domain) => join(home, `deny-list.${domain}.json`),
    lock: join(home, 'member.sock'),
  }
}

/** @throws {ReachError} ERR_REACH_FILE */
export function writeMembership(path: string, record: MembershipRecord): Promise<void> {
  const { chain, rootSet, relays, ssh, renewGraceMs } = record
  const text = JSON.stringify(
    {
      schema: SCHEMA,
      chain: chain.map(({ pem }) => pem),
      rootSet: toWireStatement(rootSet.statement),
      relays,
      ...(ssh.length === 0 ? {} : { ssh }),
      renewGraceMs,
    },
    undefined,
    1,
  )
  return writeFileAtomically(path, `${text}\n`)
}

/** Undefined when the home has none. @throws {ReachError} ERR_REACH_FILE, ERR_REACH_HOME_DAMAGED */
export async function readMembership(path: string): Promise<MembershipRecord | undefined> {
  const text = await readTextFile(path)
  if (text === undefined) return undefined
  try {
    const reader = JsonReader.parse(text, 'membership')
    const schema = reader.text('schema', 64)
    if (schema !== SCHEMA) throw new ReachError('ERR_REACH_DECODE', `its schema is ${schema}, not ${SCHEMA}`)
    const chain = reader.texts('chain').flatMap((pem) => certificatesFromPem(pem))
    if (chain.length === 0) throw new ReachError('ERR_REACH_DECODE', 'it holds no certificate')
    return {
      chain,
      rootSet: readStoredRootSet(fromWireStatement(readWireStatement(reader.object('rootSet')))),
      relays: reader.texts('relays'),
      ssh: reader.optional('ssh', (field) => field.texts('ssh')) ?? [],
      renewGraceMs: reader.count('renewGraceMs'),
    }
  } catch (error) {
    throw damaged(path, error)
  }
}

/** @throws {ReachError} ERR_REACH_FILE */
export function writeDenyList(path: string, list: AcceptedDenyList): Promise<void> {
  return writeFileAtomically(path, `${JSON.stringify(toWireStatement(list.statement))}\n`)
}

/**
 * The deny list of a home, verified as it was when it came: at the time that it names, for its signer may have ended
 * since. Undefined when there is none.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_HOME_DAMAGED: without its list, a member must not trust anybody
 */
export async function readDenyListFile(
  path: string,
  rootSet: AcceptedRootSet,
): Promise<AcceptedDenyList | undefined> {
  const text = await readTextFile(path)
  if (text === undefined) return undefined
  try {
    const statement = fromWireStatement(readWireStatement(JsonReader.parse(text, 'deny list')))
    const issuedAtMs = JsonReader.parse(statement.payload, 'deny list').count('issuedAtMs')
    return acceptDenyList(statement, rootSet, undefined, issuedAtMs)
  } catch (error) {
    throw damaged(path, error)
  }
}
