import { writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ClosingStack } from '../../lib/base/closing-stack.ts'
import type { OwnNetwork } from '../relay-bench/own-network.ts'
import type { SshSetup } from '../relay-bench/ssh.ts'
import { sshCommand, sshdCommand } from '../relay-bench/ssh.ts'
import { lines, start } from '../support/process.ts'
import { accepts, freePort, haproxyCommand } from '../support/relay-programs.ts'
import type { EndKind } from './ends.ts'

/** A rung of ours, or what people use in its place. */
export const RUNGS = [
  ...(['direct', 'connect-proxy', 'socks5', 'haproxy-tcp'] as const),
  ...(['tls', 'websocket', 'haproxy-tls'] as const),
  ...(['ssh2', 'ssh-command', 'ssh'] as const),
] as const
export type RungName = (typeof RUNGS)[number]

/** What each rung replaces. */
export const REPLACES: Readonly<Partial<Record<RungName, RungName>>> = {
  ...({ direct: 'haproxy-tcp', 'connect-proxy': 'haproxy-tcp', socks5: 'haproxy-tcp' } as const),
  ...({ tls: 'haproxy-tls', websocket: 'haproxy-tls', ssh2: 'ssh', 'ssh-command': 'ssh' } as const),
}

/** Made once for all rounds. */
export interface Prepared {
  /** The script that is also both ends. */
  readonly script: string
  readonly folder: string
  readonly network: OwnNetwork
  readonly ssh: SshSetup
  /** A file with keys and certificates for plain TLS, and one in PEM for HAProxy. */
  readonly material: string
  readonly pem: string
}

/** Both ends and what is between them, running. */
export interface Running extends AsyncDisposable {
  /** As the dialling end says. */
  readonly way: unknown
  readonly pids: readonly number[]
  ask(command: string): Promise<unknown>
}

/** Starts a rung; resolves when bytes can go from end to end. */
export async function startRung(rung: RungName, prepared: Prepared): Promise<Running> {
  const launch = new Launch(prepared)
  try {
    const ends = await launchBetween(rung, launch, prepared)
    return await launch.running(...ends)
  } catch (error) {
    await launch.close()
    throw error
  }
}

/** What is between the ends; answers the end that serves, and the one that dials. */
async function launchBetween(
  rung: RungName,
  launch: Launch,
  prepared: Prepared,
): Promise<readonly [EndKind, EndKind, (() => Promise<void>)?]> {
  const { network, ssh, folder, material, pem } = prepared
  const port = await freePort()
  const target = await freePort()
  switch (rung) {
    case 'direct':
    case 'tls':
    case 'websocket':
      await launch.relay(network)
      return peers(network, rung)
    case 'connect-proxy':
      await launch.relay(network)
      await launch.program(port, 'tinyproxy', ['-d', '-c', tinyproxyConfig(folder, port)])
      return peers(network, rung, `http://127.0.0.1:${port}`)
    case 'socks5':
      await launch.relay(network)
      await launch.program(port, 'microsocks', ['-i', '127.0.0.1', '-p', `${port}`])
      return peers(network, rung, `socks5://127.0.0.1:${port}`)
    case 'haproxy-tcp': {
      const [program, ...args] = haproxyCommand(port, target, folder)
      await launch.program(port, program, args)
      return [
        { kind: 'tls', port: target, material },
        { kind: 'tls', port, material },
      ]
    }
    case 'haproxy-tls': {
      const config = haproxyTlsConfig(folder, port, target, pem)
      await launch.program(port, '/usr/sbin/haproxy', ['-q', '-db', '-f', config])
      return [
        { kind: 'tls', port: target, material },
        { kind: 'tls', port, material },
      ]
    }
    case 'ssh2':
    case 'ssh-command':
      await launch.program(ssh.port, ...sshdCommand(ssh))
      return sshPeers(prepared, rung)
    case 'ssh': {
      await launch.program(ssh.port, ...sshdCommand(ssh))
      const [remote, local] = [await freePort(), await freePort()]
      const forward = async () => {
        await launch.program(remote, ...sshCommand(ssh, '-R', `127.0.0.1:${remote}:127.0.0.1:${target}`))
        await launch.program(local, ...sshCommand(ssh, '-L', `127.0.0.1:${local}:127.0.0.1:${remote}`))
      }
      return [{ kind: 'plain', port: target }, { kind: 'plain', port: local }, forward]
    }
  }
}

function peers({ servingHome, diallingHome }: OwnNetwork, way: string, proxy?: string): [EndKind, EndKind] {
  const common = { kind: 'peer', way, proxy, ssh: [] } as const
  return [
    { ...common, home: servingHome },
    { ...common, home: diallingHome },
  ]
}

/** No relay runs: the server is the only way. */
function sshPeers({ network, folder, ssh }: Prepared, rung: 'ssh2' | 'ssh-command'): [EndKind, EndKind] {
  const options = {
    url: `ssh://${userInfo().username}@127.0.0.1:${ssh.port}`,
    identityFiles: [join(folder, 'ssh-user-key')],
    knownHostsFiles: [join(folder, 'ssh-known-hosts')],
    ...(rung === 'ssh2' ? {} : { command: ['ssh', '-F', ssh.clientConfig] }),
  }
  const common = { kind: 'peer', way: 'direct', proxy: undefined, ssh: [options] } as const
  return [
    { ...common, home: network.servingHome },
    { ...common, home: network.diallingHome },
  ]
}

/** Processes as they are started. */
class Launch {
  readonly #prepared: Prepared
  readonly #processes = new ClosingStack()
  readonly #pids: number[] = []

  constructor(prepared: Prepared) {
    this.#prepared = prepared
  }

  close(): Promise<void> {
    return this.#processes.close()
  }

  /** Starts a program, and waits until something listens on the port. */
  async program(port: number, program: string, args: readonly string[]): Promise<void> {
    this.#start(program, args, 'ignore').child.stdout?.resume()
    await accepts(port)
  }

  relay({ relayArguments, port }: OwnNetwork): Promise<void> {
    return this.program(port, process.execPath, relayArguments)
  }

  /** @param between what can be started only when the serving end listens */
  async running(serving: EndKind, dialling: EndKind, between?: () => Promise<void>): Promise<Running> {
    const { script } = this.#prepared
    await lines(this.#start(process.execPath, [script, 'serve', JSON.stringify(serving)]).child).next()
    await between?.()
    const { child } = this.#start(process.execPath, [script, 'dial', JSON.stringify(dialling)])
    const output = lines(child)
    const { way } = JSON.parse(await output.next()) as { way: unknown }
    return {
      way,
      pids: this.#pids,
      ask: async (command) => {
        child.stdin?.write(`${command}\n`)
        return JSON.parse(await output.next()) as unknown
      },
      [Symbol.asyncDispose]: () => this.close(),
    }
  }

  #start(program: string, args: readonly string[], stderr: 'inherit' | 'ignore' = 'inherit') {
    const started = start(undefined, program, args, { stderr })
    this.#processes.defer(() => started[Symbol.asyncDispose]())
    this.#pids.push(started.child.pid ?? 0)
    return started
  }
}

function tinyproxyConfig(folder: string, port: number): string {
  const file = join(folder, 'tinyproxy.conf')
  writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nTimeout 600\nAllow 127.0.0.1\nLogLevel Critical\n`)
  return file
}

/** It ends TLS, as whoever inspects or balances does, and speaks TLS to the other side. */
function haproxyTlsConfig(folder: string, port: number, target: number, pem: string): string {
  const file = join(folder, 'haproxy-tls.conf')
  writeFileSync(
    file,
    `
global
  nbthread 1
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen relay
  bind 127.0.0.1:${port} ssl crt ${pem} ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256
  server sink 127.0.0.1:${target} ssl crt ${pem} verify none ciphersuites TLS_AES_128_GCM_SHA256
`,
  )
  return file
}
