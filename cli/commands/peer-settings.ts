import type { PeerEvent } from '../../lib/index.ts'
import { Peer } from '../../lib/index.ts'
import { proxyEnvironment } from '../network-access.ts'
import type { Settings, SettingSpecs } from '../settings.ts'
import { SSH_SPECS, readSshSettings } from './ssh-settings.ts'
import type { SshSettings } from './ssh-settings.ts'

/** How a command is told what peer it is to be. */
export const PEER_SPECS: SettingSpecs = {
  'relay-only': { kind: 'flag' },
  'no-lan': { kind: 'flag' },
  ...SSH_SPECS,
  'allow-open-key-file': { kind: 'flag', flagOnly: true },
}

/** The peer that a command is. */
export interface PeerSettings extends SshSettings {
  readonly home: string
  /** Peers never learn our addresses. */
  readonly relayOnly: boolean
  /** Peers of this LAN are found without a relay, and find us. */
  readonly lan: boolean
  readonly allowOpenKeyFile: boolean
}

/** @throws {ReachError} as `readSshSettings` does */
export function readPeerSettings(settings: Settings): PeerSettings {
  return {
    home: settings.home,
    relayOnly: settings.flag('relay-only'),
    lan: !settings.flag('no-lan'),
    ...readSshSettings(settings),
    allowOpenKeyFile: settings.flag('allow-open-key-file'),
  }
}

/** @throws {ReachError} as `Peer.open` does */
export function openPeer(settings: PeerSettings, onEvent: (event: PeerEvent) => void): Promise<Peer> {
  const { home, relayOnly, lan, ssh, sshLogin, allowOpenKeyFile } = settings
  return Peer.open({
    ...{ home, relayOnly, lan, ssh, sshLogin, allowOpenKeyFile, onEvent },
    env: proxyEnvironment(),
  })
}
