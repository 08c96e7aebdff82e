import type { Duplex } from 'node:stream'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { formatSshUrl, parseSshUrl } from '../base/ssh-url.ts'
import type { Membership } from '../membership/membership.ts'
import { rendezvousOf } from '../protocol/ssh/rendezvous.ts'
import type { PathAbout } from '../session/path-pipe.ts'
import { CommandServer } from '../ssh/command-server.ts'
import { Ssh2Server } from '../ssh/ssh2-server.ts'
import type { SshServer } from '../ssh/ssh-server.ts'
import type { PeerEvent } from './peer-event.ts'
import { SshRelay } from './ssh-relay.ts'

/** How to log in at an SSH server. */
export interface SshLoginOptions {
  /** Private keys to log in with, after those of the agent. Default: the ones that `ssh` tries. */
  readonly identityFiles?: readonly string[]
  /** Default: those of the user and of the system. */
  readonly knownHostsFiles?: readonly string[]
  /** Have this program do it, the system's `ssh` with options: `['ssh', '-J', 'bastion']`. Default: our own SSH. */
  readonly command?: readonly string[]
}

/** An SSH server that carries sessions where no relay of the network can be reached: nothing of ours runs there. */
export interface SshRelayOptions extends SshLoginOptions {
  /**
   * `ssh://[USER@]HOST[:PORT][?public][#SHA256:FINGERPRINT]`. The host key is checked against the fingerprint, or else
   * against known_hosts; there is no way around it. Peers who are to meet log in there as the same user. `?public`: at a
   * port that anybody can dial, which needs no login to connect (the server needs `GatewayPorts clientspecified`).
   */
  readonly url: string
}

/** What SSH servers tell. */
export interface SshRelaysEvents {
  onEvent(event: PeerEvent): void
  onStream(stream: Duplex, about: PathAbout): void
}

/** What the SSH servers of a peer are made of. */
export interface SshRelaysSetup {
  readonly runtime: Runtime
  readonly membership: Membership
  readonly servers: readonly SshRelayOptions[]
  readonly events: SshRelaysEvents
}

/** The SSH servers where a peer waits, and dials others. */
export class SshRelays {
  readonly all: readonly SshRelay[]
  readonly #domain: string

  /** @throws {ReachError} ERR_REACH_ADDRESS */
  constructor({ runtime, membership, servers, events }: SshRelaysSetup) {
    const { domain, peerId, name } = membership
    this.#domain = domain
    // Who looks for us knows our name, our PeerId, or both.
    const places = () => [name, peerId].filter((who) => who !== '').map((who) => rendezvousOf(domain, who))
    this.all = servers.map((options) => {
      const server = openServer(runtime, options)
      return new SshRelay({
        ...{ runtime, server, places },
        events: {
          onUp: () =>
            events.onEvent({ kind: 'relay-up', way: 'ssh', interceptedBy: undefined, relay: server.name }),
          onDown: (_relay, error, retryInMs) => {
            events.onEvent({ kind: 'relay-down', relay: server.name, error, retryInMs })
          },
          onStream: (_relay, stream) => events.onStream(stream, aboutSsh(server)),
        },
      })
    })
  }

  /** Those that hand us whoever comes. */
  get up(): readonly SshRelay[] {
    return this.all.filter(({ isUp }) => isUp)
  }

  /** Waits at all servers from now on. Resolves when one has us. @throws {ReachError} when none does */
  async register(signal?: AbortSignal): Promise<void> {
    await anyOf(this.all.map((relay) => relay.register(signal)))
  }

  /** Connections to whoever waits for a peer, by name or PeerId, at one of the servers. @throws {ReachError} */
  streamsTo(peer: string, { server }: SshRelay, signal: AbortSignal): AsyncGenerator<Duplex, void> {
    return server.dial(rendezvousOf(this.#domain, peer), signal)
  }

  /** Something fell silent: servers that do not answer now are gone. */
  probe(): void {
    for (const { server } of this.all) server.probe()
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((relay) => relay.close()))
  }
}

/** What is known of a path over an SSH server. */
export function aboutSsh({ name }: SshServer): PathAbout {
  return { kind: 'ssh', via: name }
}

/** The first that succeeds. @throws the first failure, when all have failed */
export async function anyOf<T>(attempts: readonly Promise<T>[]): Promise<T> {
  try {
    return await Promise.any(attempts)
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error
  }
}

/** Those that a person named, and those of the join string besides. @throws {ReachError} ERR_REACH_ADDRESS */
export function sshServersOf(
  named: readonly SshRelayOptions[],
  ofNetwork: readonly string[],
  login: SshLoginOptions,
): readonly SshRelayOptions[] {
  const known = new Set(named.map(({ url }) => formatSshUrl(parseSshUrl(url))))
  const others = ofNetwork.filter((url) => !known.has(formatSshUrl(parseSshUrl(url))))
  // A command checks host keys by itself, against what it knows.
  const told = (url: string) => (login.command === undefined ? url : url.replace(/#.*$/, ''))
  return [...named, ...others.map((url) => ({ url: told(url), ...login }))]
}

function openServer(runtime: Runtime, { url: text, ...rest }: SshRelayOptions): SshServer {
  const setup = { runtime, url: parseSshUrl(text), ...rest }
  if (setup.command?.length === 0)
    throw new ReachError('ERR_REACH_ADDRESS', 'the ssh command is empty', { hint: 'write  ssh' })
  return setup.command === undefined ? new Ssh2Server(setup) : new CommandServer(setup)
}
