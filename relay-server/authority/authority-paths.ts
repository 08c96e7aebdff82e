import { join } from 'node:path'

/** Where a network's authority keeps what. */
export interface AuthorityPaths {
  readonly folder: string
  /** The issuing CA with its key, and the roots. */
  readonly material: string
  readonly ledger: string
  readonly denyList: string
  /** The root's private key, until the operator takes it away. */
  readonly rootKey: string
  /** The roots' certificates in PEM, for other software. */
  readonly rootCertificate: string
  /** For other software. */
  readonly crl: string
  readonly audit: string
}

/** The files of the authority in a home folder. */
export function authorityPaths(home: string, folderName = 'authority'): AuthorityPaths {
  const folder = join(home, folderName)
  return {
    folder,
    material: join(folder, 'issuing.json'),
    ledger: join(folder, 'ledger.json'),
    rootKey: join(folder, 'root.key'),
    rootCertificate: join(folder, 'root.pem'),
    denyList: join(folder, 'deny-list.json'),
    crl: join(folder, 'crl.pem'),
    audit: join(folder, 'audit.log'),
  }
}
