import type { KeyObject } from 'node:crypto'
import { ReachError } from '../../lib/base/errors.ts'
import { JsonReader } from '../../lib/base/json-reader.ts'
import type { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { certificatesFromPem } from '../../lib/identity/certificate/certificate.ts'
import { writeFileAtomically } from '../../lib/identity/files/atomic-file.ts'
import { damaged } from '../../lib/identity/files/atomic-store.ts'
import { readPrivateFile } from '../../lib/identity/files/read-file.ts'
import type { Issuer } from '../../lib/identity/issue/sign-certificate.ts'
import { privateKeyFromPem, privateKeyPem } from '../../lib/identity/keys/key-pair.ts'
import type { AcceptedRootSet } from '../../lib/identity/trust/root-set.ts'
import { readStoredRootSet } from '../../lib/identity/trust/root-set.ts'
import type { AuthorityPaths } from './authority-paths.ts'
import { fromWireStatement, toWireStatement } from '../../lib/identity/trust/statement.ts'
import { readWireStatement } from '../../lib/protocol/relay/wire-statement.ts'

/** What an authority issues with. All of it changes in one step, so it is one file. */
export interface AuthorityMaterial {
  readonly issuingKey: KeyObject
  /** The issuing CA, then what leads from it to the roots: cross-signed roots, a company's intermediates. */
  readonly issuingChain: readonly Certificate[]
  readonly rootSet: AcceptedRootSet
}

const SCHEMA = 'p2p-reach/issuing/1'

/** The CA that signs members' certificates. */
export function issuerOf({ issuingChain, issuingKey }: AuthorityMaterial): Issuer {
  const [certificate] = issuingChain
  if (certificate === undefined)
    throw new ReachError('ERR_REACH_HOME_DAMAGED', 'the authority has no certificate')
  return { certificate, privateKey: issuingKey }
}

/** What stands above a member's certificate in its chain: the issuing chain without roots that everybody has. */
export function chainAbove({ issuingChain, rootSet }: AuthorityMaterial): readonly Certificate[] {
  return issuingChain.filter(
    (one) => !rootSet.roots.some((root) => root.spkiSha256 === one.spkiSha256 && one.isIssuedBy(one)),
  )
}

/** @throws {ReachError} ERR_REACH_FILE */
export function writeMaterial(path: string, material: AuthorityMaterial): Promise<void> {
  const text = JSON.stringify(
    {
      schema: SCHEMA,
      issuingKey: privateKeyPem(material.issuingKey),
      issuingChain: material.issuingChain.map(({ pem }) => pem),
      rootSet: toWireStatement(material.rootSet.statement),
    },
    undefined,
    1,
  )
  return writeFileAtomically(path, `${text}\n`)
}

/** The roots for other software, which reads PEM. @throws {ReachError} ERR_REACH_FILE */
export function writeRootCertificates(
  { rootCertificate }: Pick<AuthorityPaths, 'rootCertificate'>,
  { rootSet }: AuthorityMaterial,
): Promise<void> {
  return writeFileAtomically(rootCertificate, rootSet.roots.map(({ pem }) => pem).join(''), { mode: 0o644 })
}

/**
 * Undefined when there is none.
 * @throws {ReachError} ERR_REACH_FILE, ERR_REACH_KEY_FILE_OPEN, ERR_REACH_HOME_DAMAGED
 */
export async function readMaterial(path: string): Promise<AuthorityMaterial | undefined> {
  const text = await readPrivateFile(path, { canForce: false })
  if (text === undefined) return undefined
  try {
    const reader = JsonReader.parse(text, 'issuing CA')
    return {
      issuingKey: privateKeyFromPem(reader.text('issuingKey'), path),
      issuingChain: reader.texts('issuingChain').flatMap((pem) => certificatesFromPem(pem)),
      rootSet: readStoredRootSet(fromWireStatement(readWireStatement(reader.object('rootSet')))),
    }
  } catch (error) {
    throw damaged(path, error)
  }
}
