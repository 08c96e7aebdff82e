import { fromBase64 } from '../base/base64.ts'
import type { JsonReader } from '../base/json-reader.ts'
import type { Certificate } from '../identity/certificate/certificate.ts'
import { writeFileAtomically } from '../identity/files/atomic-file.ts'
import { readPrivateFile } from '../identity/files/read-file.ts'
import { generateKeyPair, privateKeyFromPem, privateKeyPem } from '../identity/keys/key-pair.ts'
import { ReachError } from '../base/errors.ts'
import { parseSshUrl } from '../base/ssh-url.ts'
import { readStoredRootSet } from '../identity/trust/root-set.ts'
import { fromWireStatement } from '../identity/trust/statement.ts'
import type { AdminRequest, InviteRequest } from '../protocol/relay/admin-request.ts'
import type { InviteResult, NetworkStatus, RevokeResult } from '../protocol/relay/admin-result.ts'
import { readInviteResult, readNetworkStatus, readRevokeResult } from '../protocol/relay/admin-result.ts'
import { MAX_JOIN_SSH, formatJoinString, parseJoinString } from '../protocol/relay/join-string.ts'
import type { SshKeyList, SshKeyRequest, SshKeyStatus } from '../protocol/relay/ssh-key-request.ts'
import { readSshKeyList, readSshKeyStatus } from '../protocol/relay/ssh-key-request.ts'
import type { RootCeremony } from './root-ceremony.ts'
import { dropOtherRoots, reissueIntermediate, rotateRoot } from './root-ceremony.ts'

/** Carries a request to the authority of a network: through a relay, or in the relay's own home folder. */
export type AskAuthority = (request: AdminRequest) => Promise<JsonReader>

/** What an administrator can do with a network. Every method rejects with what the authority answers. */
export class NetworkAdmin {
  readonly #ask: AskAuthority
  readonly #wallMs: () => number

  constructor(ask: AskAuthority, wallMs: () => number) {
    this.#ask = ask
    this.#wallMs = wallMs
  }

  /**
   * Makes a join string.
   * @param ssh SSH servers where whoever joins meets others when no relay can be reached, as URLs with `#SHA256:…`
   * @throws {ReachError} ERR_REACH_NAME, ERR_REACH_NAME_TAKEN, ERR_REACH_USAGE, ERR_REACH_ADDRESS
   */
  async invite(invite: Omit<InviteRequest, 'op'>, ssh: readonly string[] = []): Promise<InviteResult> {
    checkSsh(ssh)
    const result = readInviteResult(await this.#ask({ op: 'invite', ...invite }))
    if (ssh.length === 0) return result
    return { ...result, joinString: formatJoinString({ ...parseJoinString(result.joinString), ssh }) }
  }

  /** Shuts a member out, by name or PeerId. @throws {ReachError} ERR_REACH_PEER_UNKNOWN */
  async revoke(peer: string, reason: string): Promise<RevokeResult> {
    return readRevokeResult(await this.#ask({ op: 'revoke', peer, reason }))
  }

  /** Lets an SSH client use the relay. @throws {ReachError} ERR_REACH_SSH_KEY, ERR_REACH_NAME_TAKEN */
  async addSshKey(key: Omit<Extract<SshKeyRequest, { op: 'ssh-key-add' }>, 'op'>): Promise<SshKeyStatus> {
    return readSshKeyStatus(await this.#ask({ op: 'ssh-key-add', ...key }))
  }

  /** SSH clients that may use the relay, and those that were shut out. */
  async sshKeys(): Promise<SshKeyList> {
    return readSshKeyList(await this.#ask({ op: 'ssh-key-list' }))
  }

  /** Shuts an SSH client out, by name or fingerprint; its connections are cut. @throws {ReachError} ERR_REACH_PEER_UNKNOWN */
  async revokeSshKey(key: string): Promise<SshKeyStatus> {
    return readSshKeyStatus(await this.#ask({ op: 'ssh-key-revoke', key }))
  }

  /** Who is in the network, and which roots they trust. */
  async status(): Promise<NetworkStatus> {
    return readNetworkStatus(await this.#ask({ op: 'status' }))
  }

  /**
   * Puts a new root beside the one whose key is in a file, and writes the new one's key into another, which must not
   * exist. Neither key leaves this computer.
   * @throws {ReachError} ERR_REACH_REQUEST_REFUSED, ERR_REACH_FILE_EXISTS, ERR_REACH_KEY_FILE
   */
  async rotateRoot(rootKeyFile: string, newRootKeyFile: string): Promise<NetworkStatus> {
    const ceremony = await this.#ceremony(rootKeyFile)
    const newKey = generateKeyPair().privateKey
    const request = await rotateRoot(ceremony, newKey)
    // First the file: a root whose key is lost can't be dropped.
    await writeFileAtomically(newRootKeyFile, privateKeyPem(newKey), { isNew: true })
    await this.#ask(request)
    return this.status()
  }

  /** Leaves the root whose key is in a file as the only one. @throws {ReachError} ERR_REACH_ROOT_IN_USE */
  async dropOtherRoots(rootKeyFile: string): Promise<NetworkStatus> {
    await this.#ask(dropOtherRoots(await this.#ceremony(rootKeyFile)))
    return this.status()
  }

  /** A new key and certificate for the issuing CA; what the old one signed is refused from now on. */
  async replaceIssuer(rootKeyFile: string): Promise<NetworkStatus> {
    const ceremony = await this.#ceremony(rootKeyFile)
    const spki = fromBase64((await this.#ask({ op: 'issuing-key', isNew: true })).text('spki', 4096))
    await this.#ask(await reissueIntermediate(ceremony, spki, true))
    return this.status()
  }

  async #ceremony(rootKeyFile: string): Promise<RootCeremony> {
    const pem = await readPrivateFile(rootKeyFile, { canForce: false })
    if (pem === undefined) {
      throw new ReachError('ERR_REACH_FILE', `there is no file ${rootKeyFile}`, {
        hint: 'a network’s first root has its key in  authority/root.key  of the relay’s home, until it is moved away',
      })
    }
    return {
      status: await this.status(),
      rootKey: privateKeyFromPem(pem, rootKeyFile),
      nowMs: this.#wallMs(),
    }
  }
}

/** Before a token is made. @throws {ReachError} ERR_REACH_ADDRESS */
function checkSsh(urls: readonly string[]): void {
  const problem = (message: string, hint: string) => new ReachError('ERR_REACH_ADDRESS', message, { hint })
  if (urls.length > MAX_JOIN_SSH)
    throw problem(`a join string names ${MAX_JOIN_SSH} SSH servers at most`, 'name fewer')
  for (const url of urls) {
    if (parseSshUrl(url).pin !== undefined && url.length < 256) continue
    throw problem(
      `${url} has no host key with it`,
      'append #SHA256:… as  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub  prints it on the server',
    )
  }
}

/** The roots of a network, out of its status. */
export function rootsOf(status: NetworkStatus): readonly Certificate[] {
  return readStoredRootSet(fromWireStatement(status.rootSet)).roots
}
