import type { KeyObject } from 'node:crypto'
import { createPublicKey } from 'node:crypto'
import { ReachError } from '../../lib/base/errors.ts'
import { sameBytes } from '../../lib/base/same-bytes.ts'
import type { Certificate } from '../../lib/identity/certificate/certificate.ts'
import { certificatesFromPem } from '../../lib/identity/certificate/certificate.ts'
import { KEY_USAGE } from '../../lib/identity/certificate/extensions.ts'
import { onlyDnsTree, permitsDomain } from '../../lib/identity/certificate/name-constraints.ts'
import { verifyChain } from '../../lib/identity/certificate/verify-chain.ts'
import { readPrivateFile, readTextFile } from '../../lib/identity/files/read-file.ts'
import { signingKeyOf, spkiOf } from '../../lib/identity/issue/signing-key.ts'
import { privateKeyFromPem } from '../../lib/identity/keys/key-pair.ts'
import { isNetworkDomain } from '../../lib/base/peer-name.ts'
import { acceptPinnedRootSet, signRootSet } from '../../lib/identity/trust/root-set.ts'
import type { AuthorityMaterial } from './material.ts'

/** A CA that another program made: openssl, step-ca, node-forge, a company's PKI. */
export interface ExternalCa {
  /** The CA that shall sign members, those above it, and the root last. */
  readonly chain: readonly Certificate[]
  readonly privateKey: KeyObject
}

/**
 * Reads it from PEM files and makes sure that it can do the work: better now than at the first member.
 * @throws {ReachError} ERR_REACH_EXTERNAL_CA, ERR_REACH_FILE, ERR_REACH_KEY_FILE, ERR_REACH_KEY_FILE_OPEN
 */
export async function readExternalCa(chainFile: string, keyFile: string, nowMs: number): Promise<ExternalCa> {
  const chain = await readChain(chainFile)
  const keyPem = await readPrivateFile(keyFile, { canForce: false })
  if (keyPem === undefined) throw unusable(`there is no file ${keyFile}`)
  const privateKey = privateKeyFromPem(keyPem, keyFile)
  await signingKeyOf(privateKey)
  const [issuing, ...above] = chain
  const root = chain.at(-1)
  if (issuing === undefined || root === undefined) throw unusable(`${chainFile} holds no certificate in PEM`)
  if (!sameBytes(spkiOf(privateKey), spkiOf(createPublicKey(issuing.pem)))) {
    throw unusable(
      `the key in ${keyFile} is not that of the first certificate in ${chainFile}`,
      'put the issuing CA first',
    )
  }
  if (!root.isIssuedBy(root))
    throw unusable(`the last certificate in ${chainFile} is no root`, 'append the root')
  checkMaySign(issuing)
  if (above.length > 0) checkHolds(issuing, above, root, nowMs)
  else if (nowMs > issuing.notAfterMs) throw unusable('its certificate has expired')
  return { chain, privateKey }
}

/** The network of an external CA. Its constraints may say where names have to stand; else the network's own domain. */
export function materialOfExternalCa(ca: ExternalCa, ownDomain: string, nowMs: number): AuthorityMaterial {
  const { chain, privateKey } = ca
  const [issuing] = chain
  const root = chain.at(-1)
  if (issuing === undefined || root === undefined) throw unusable('there is no certificate')
  const domain = domainFor(chain, ownDomain)
  const set = { domain, number: 0, issuedAtMs: nowMs, roots: [root] }
  const statement = signRootSet(set, privateKey, issuing, chain.slice(1, -1))
  return {
    issuingKey: privateKey,
    issuingChain: chain,
    rootSet: acceptPinnedRootSet(statement, root.spkiSha256, nowMs),
  }
}

async function readChain(file: string): Promise<readonly Certificate[]> {
  const text = await readTextFile(file)
  if (text === undefined) throw unusable(`there is no file ${file}`)
  try {
    return certificatesFromPem(text)
  } catch (error) {
    throw unusable(`a certificate in ${file} can’t be read`, undefined, error)
  }
}

function checkMaySign({ extensions, subject }: Certificate): void {
  const { basicConstraints, keyUsage } = extensions
  if (!basicConstraints.isCa) throw unusable(`${subject} is no CA`)
  if (keyUsage?.has(KEY_USAGE.keyCertSign) === false) throw unusable(`${subject} may not sign certificates`)
  if (keyUsage?.has(KEY_USAGE.crlSign) === false) {
    throw unusable(`${subject} may not sign revocation lists`, 'add cRLSign to its key usage')
  }
}

function checkHolds(
  issuing: Certificate,
  above: readonly Certificate[],
  root: Certificate,
  nowMs: number,
): void {
  const outcome = verifyChain(issuing, above, [root], nowMs)
  if (outcome.kind === 'valid') return
  throw unusable(`${outcome.certificate.subject} does not hold: ${outcome.problem} (${outcome.detail})`)
}

function domainFor(chain: readonly Certificate[], ownDomain: string): string {
  const constraints = chain.flatMap(({ extensions }) => extensions.nameConstraints ?? [])
  const tree = constraints.map(({ permitted }) => onlyDnsTree(permitted)).find((found) => found !== undefined)
  const domain = tree ?? ownDomain
  const broken = constraints.find((one) => !permitsDomain(one, domain))
  if (broken === undefined && isNetworkDomain(domain)) return domain
  throw unusable(
    `its name constraints permit no peers in ${domain}`,
    'permit DNS names and URIs of one domain, and nothing else',
  )
}

function unusable(why: string, hint?: string, cause?: unknown): ReachError {
  return new ReachError('ERR_REACH_EXTERNAL_CA', `the external CA can't be used: ${why}`, {
    ...(hint === undefined ? {} : { hint }),
    cause,
  })
}
