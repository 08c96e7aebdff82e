import { mkdir, rename, rm } from 'node:fs/promises'
import { ReachError } from '../../lib/base/errors.ts'
import type { Random } from '../../lib/base/runtime.ts'
import { encodeZBase32 } from '../../lib/base/z-base-32.ts'
import { fileExists, flushFolder, writeFileAtomically } from '../../lib/identity/files/atomic-file.ts'
import { issueIntermediate, issueRoot } from '../../lib/identity/issue/certificate-profiles.ts'
import { spkiOf } from '../../lib/identity/issue/signing-key.ts'
import { generateKeyPair, privateKeyPem } from '../../lib/identity/keys/key-pair.ts'
import { acceptPinnedRootSet, signRootSet } from '../../lib/identity/trust/root-set.ts'
import { authorityPaths } from './authority-paths.ts'
import type { ExternalCa } from './external-ca.ts'
import { materialOfExternalCa } from './external-ca.ts'
import { formatLedger } from './ledger-format.ts'
import { EMPTY_LEDGER } from './ledger.ts'
import type { AuthorityMaterial } from './material.ts'
import { writeMaterial, writeRootCertificates } from './material.ts'

/** How a network is made. */
export interface CreateAuthorityOptions {
  readonly home: string
  /** A word of the operator for it; stands in its domain. Default: `net`. */
  readonly label: string
  /** Sign with a CA that somebody else made, and not with a new one. */
  readonly externalCa: ExternalCa | undefined
  readonly random: Random
  readonly nowMs: number
}

/** `.internal` is kept free for private names for ever (ICANN resolution 2024.07.29.06). */
const DOMAIN_SUFFIX = 'p2p-reach.internal'
/** Ours: 40 bits keep networks with the same label apart. */
const DOMAIN_RANDOM_BYTES = 5

/** The folder of a network that is there, or undefined. */
export function hasAuthority(home: string): Promise<boolean> {
  return fileExists(authorityPaths(home).material)
}

/**
 * Makes a network in a home folder: a root, the intermediate that issues, an empty ledger. All or nothing: it is built
 * beside and moved into its place.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_EXTERNAL_CA
 */
export async function createAuthority(options: CreateAuthorityOptions): Promise<void> {
  const { home, random } = options
  const suffix = Buffer.from(random.bytes(6)).toString('hex')
  const building = authorityPaths(home, `.authority-${suffix}.tmp`)
  const { material, rootKeyPem } = await newMaterial(options)
  try {
    await mkdir(building.folder, { recursive: true, mode: 0o700 })
    if (rootKeyPem !== undefined) await writeFileAtomically(building.rootKey, rootKeyPem)
    await writeRootCertificates(building, material)
    await writeFileAtomically(building.ledger, formatLedger(EMPTY_LEDGER))
    await writeMaterial(building.material, material)
    await rename(building.folder, authorityPaths(home).folder)
    await flushFolder(home)
  } catch (error) {
    await rm(building.folder, { recursive: true, force: true })
    if (ReachError.is(error)) throw error
    throw new ReachError('ERR_REACH_FILE', `cannot make a network in ${home}`, {
      cause: error,
      hint: 'name another folder with  --home DIR',
    })
  }
}

interface NewMaterial {
  readonly material: AuthorityMaterial
  readonly rootKeyPem: string | undefined
}

async function newMaterial(options: CreateAuthorityOptions): Promise<NewMaterial> {
  const { externalCa, label, random, nowMs } = options
  const domain = `${label}-${encodeZBase32(random.bytes(DOMAIN_RANDOM_BYTES))}.${DOMAIN_SUFFIX}`
  if (externalCa !== undefined) {
    return { material: materialOfExternalCa(externalCa, domain, nowMs), rootKeyPem: undefined }
  }
  const rootKeys = generateKeyPair()
  const issuingKeys = generateKeyPair()
  const root = await issueRoot(domain, rootKeys.privateKey, nowMs)
  const issuer = { certificate: root, privateKey: rootKeys.privateKey }
  const intermediate = await issueIntermediate(domain, spkiOf(issuingKeys.publicKey), issuer, nowMs)
  const statement = signRootSet(
    { domain, number: 1, issuedAtMs: nowMs, roots: [root] },
    rootKeys.privateKey,
    root,
  )
  const rootSet = acceptPinnedRootSet(statement, root.spkiSha256, nowMs)
  const material = { issuingKey: issuingKeys.privateKey, issuingChain: [intermediate], rootSet }
  return { material, rootKeyPem: privateKeyPem(rootKeys.privateKey) }
}
