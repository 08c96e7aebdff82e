import type { SshLoginOptions, SshRelayOptions } from '../../lib/index.ts'
import { ReachError, parseSshUrl } from '../../lib/index.ts'
import type { Settings, SettingSpecs } from '../settings.ts'

/** How a command is told of SSH servers. */
export const SSH_SPECS: SettingSpecs = {
  // P2P_REACH_RELAY names relays for diagnose.
  relay: { kind: 'list', flagOnly: true },
  'ssh-key': { kind: 'list' },
  'ssh-known-hosts': { kind: 'list' },
  'ssh-command': { kind: 'text' },
}

/** What a peer is told of SSH servers. */
export interface SshSettings {
  /** Those that a person named. */
  readonly ssh: readonly SshRelayOptions[]
  /** How to log in there, and at those of the network. */
  readonly sshLogin: SshLoginOptions
}

/** @throws {ReachError} ERR_REACH_USAGE, ERR_REACH_ADDRESS */
export function readSshSettings(settings: Settings): SshSettings {
  const [keys, knownHosts] = [settings.list('ssh-key'), settings.list('ssh-known-hosts')]
  const command = settings.text('ssh-command')
  const sshLogin = {
    ...(keys.length === 0 ? {} : { identityFiles: keys }),
    ...(knownHosts.length === 0 ? {} : { knownHostsFiles: knownHosts }),
    ...(command === undefined ? {} : { command: wordsOf(command) }),
  }
  const urls = settings.list('relay')
  for (const url of urls) checkUrl(url)
  return { ssh: urls.map((url) => ({ url, ...sshLogin })), sshLogin }
}

/** Before anything is opened. The relays of the network come with the membership. */
function checkUrl(text: string): void {
  if (!/^\s*ssh:/i.test(text)) {
    throw new ReachError('ERR_REACH_USAGE', `--relay takes an SSH server here, not ${JSON.stringify(text)}`, {
      hint: 'write ssh://USER@HOST:PORT; the relays of the network are known already',
    })
  }
  parseSshUrl(text)
}

/** A command line as a shell would take it apart, as far as spaces and quotes go. @throws {ReachError} ERR_REACH_USAGE */
export function wordsOf(line: string): readonly string[] {
  const hasOpenQuote = /['"]/.test(line.replaceAll(/'[^']*'|"[^"]*"/g, ''))
  const words = line.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []
  if (words.length === 0 || hasOpenQuote) {
    throw new ReachError('ERR_REACH_USAGE', `--ssh-command is no command: ${JSON.stringify(line)}`, {
      hint: `write  --ssh-command 'ssh -J bastion'`,
    })
  }
  return words.map((word) => word.replaceAll(/'[^']*'|"[^"]*"/g, (quoted) => quoted.slice(1, -1)))
}
