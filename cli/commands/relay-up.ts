import type { Endpoint, Runtime } from '../../lib/index.ts'
import {
  ReachError,
  canonicalIp,
  formatAddress,
  ipScope,
  isIp,
  nodeRuntime,
  parseEndpoint,
} from '../../lib/index.ts'
import type { TlsSource } from '../../relay-server/relay-server.ts'
import { RelayServer } from '../../relay-server/relay-server.ts'
import { parseDuration } from '../duration.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import type { Environment, SettingSpecs, Settings } from '../settings.ts'
import { readSettings } from '../settings.ts'
import type { RelayDrainCommand } from './relay-drain.ts'
import { drainRelay } from './relay-drain.ts'
import type { NetworkCommand } from './relay-network.ts'
import { NETWORK_SPECS, parseNetwork, planNetwork } from './relay-network.ts'
import { VERSION } from '../version.ts'

const SPECS: SettingSpecs = {
  listen: { kind: 'list' },
  stun: { kind: 'list' },
  advertise: { kind: 'list' },
  admin: { kind: 'text' },
  'tls-cert': { kind: 'text' },
  'tls-key': { kind: 'text' },
  'no-tls': { kind: 'flag' },
  drain: { kind: 'text' },
  ...NETWORK_SPECS,
  json: { kind: 'flag', flagOnly: true },
}

const DEFAULT_LISTEN = ['0.0.0.0:443', '[::]:443']
const DEFAULT_STUN = ['0.0.0.0:3478', '[::]:3478']
const DEFAULT_TCP_PORT = 443
const DEFAULT_STUN_PORT = 3478

/** `p2p-reach relay up`, typed. */
export interface RelayUpCommand extends RelayDrainCommand {
  readonly kind: 'relay-up'
  readonly listen: readonly Endpoint[]
  readonly stun: readonly Endpoint[]
  /** The addresses were not asked for: families that the host lacks are left out. */
  readonly areDefault: { readonly listen: boolean; readonly stun: boolean }
  readonly advertised: ReadonlyMap<string, string>
  readonly admin: Endpoint | undefined
  readonly tls:
    | { readonly kind: 'none' }
    | { readonly kind: 'own' }
    | { readonly kind: 'files'; readonly certificateFile: string; readonly keyFile: string }
  /** Undefined: the relay has no network. */
  readonly network: NetworkCommand | undefined
  readonly home: string
  readonly homeArgument: string
}

export function parseRelayUp(argv: readonly string[], env: Environment): RelayUpCommand {
  const settings = readSettings('relay-up', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `relay up takes no argument ${JSON.stringify(extra)}`, {
      hint: `to listen there write  --listen ${extra}`,
    })
  }
  const listen = settings.list('listen')
  const stun = settings.list('stun')
  const admin = settings.text('admin')
  const drain = settings.text('drain')
  return {
    kind: 'relay-up',
    listen: (listen.length > 0 ? listen : DEFAULT_LISTEN).map((text) =>
      parseEndpoint(text, DEFAULT_TCP_PORT),
    ),
    stun: (stun.length > 0 ? stun : DEFAULT_STUN).map((text) => parseEndpoint(text, DEFAULT_STUN_PORT)),
    areDefault: { listen: listen.length === 0, stun: stun.length === 0 },
    advertised: new Map(settings.list('advertise').map(parseAdvertise)),
    admin: admin === undefined ? undefined : parseEndpoint(admin),
    tls: parseTls(settings),
    network: parseNetwork(settings),
    drainMs: drain === undefined ? undefined : parseDuration(drain, 'drain'),
    home: settings.home,
    homeArgument: settings.homeArgument,
    json: settings.flag('json'),
  }
}

function parseAdvertise(text: string): readonly [string, string] {
  const [own = '', publicIp = '', ...rest] = text.split('=')
  if (rest.length > 0 || publicIp === '') {
    throw new ReachError('ERR_REACH_USAGE', `${JSON.stringify(text)} does not say which IP is which`, {
      hint: 'write --advertise OWN=PUBLIC, such as 10.0.0.5=203.0.113.9',
    })
  }
  return [canonicalIp(own), canonicalIp(publicIp)]
}

function parseTls(settings: Settings): RelayUpCommand['tls'] {
  const certificateFile = settings.text('tls-cert')
  const keyFile = settings.text('tls-key')
  if (settings.flag('no-tls')) return { kind: 'none' }
  if (certificateFile === undefined && keyFile === undefined) return { kind: 'own' }
  if (certificateFile === undefined || keyFile === undefined) {
    throw new ReachError('ERR_REACH_USAGE', 'a certificate needs its key', {
      hint: 'give both --tls-cert and --tls-key',
    })
  }
  return { kind: 'files', certificateFile, keyFile }
}

/** Runs until the signal fires, then lets its members leave, and closes cleanly. */
export async function runRelayUp(
  command: RelayUpCommand,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const runtime = nodeRuntime()
  const { admin, advertised } = command
  const listen = command.areDefault.listen ? ofOwnFamilies(command.listen, runtime) : command.listen
  const ownAddresses = () => publicEndpoints(listen, command, runtime)
  const plan =
    command.network === undefined
      ? undefined
      : await planNetwork(command.network, command.home, runtime, ownAddresses)
  await using relay = await RelayServer.open(runtime, {
    version: VERSION,
    listen,
    stun: command.stun,
    tls: tlsSource(command, listen, runtime),
    advertised,
    ...(plan === undefined ? {} : { network: plan.options }),
    ...(admin === undefined ? {} : { admin }),
  })
  announce(relay, command, output, runtime)
  await Promise.race([aborted(signal), lasting(plan?.keep(signal))])
  await drainRelay(relay, command, plan?.publicAddresses() ?? [], output)
  if (command.json) output.event({ event: 'closed', reason: 'interrupted' })
  else output.say('p2p-reach: relay closed\n')
  return EXIT.ok
}

/** Only a failure ends it: a relay whose membership is over must not go on. */
async function lasting(work: Promise<void> | undefined): Promise<never> {
  await work
  return new Promise<never>(() => undefined)
}

/** A host without IPv6 cannot listen on [::]; that is no mistake of who asked for nothing. */
function ofOwnFamilies(listen: readonly Endpoint[], runtime: Runtime): readonly Endpoint[] {
  const hasIpv6 = runtime.network
    .interfaces()
    .some(({ addresses }) => addresses.some(({ family }) => family === 'ipv6'))
  return hasIpv6 ? listen : listen.filter(({ host }) => !host.includes(':'))
}

function tlsSource(command: RelayUpCommand, listen: readonly Endpoint[], runtime: Runtime): TlsSource {
  const { tls, home } = command
  switch (tls.kind) {
    case 'own':
      return { kind: 'own', home, hosts: publicIps(listen, command, runtime) }
    case 'none':
    case 'files':
      return tls
  }
}

/** The IPs under which clients know the relay. */
function publicIps(
  listen: readonly Endpoint[],
  { advertised }: RelayUpCommand,
  runtime: Runtime,
): readonly string[] {
  const own = runtime.network.interfaces().flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
  const usable = own.filter((ip) => ipScope(ip) !== 'link-local')
  const ips = listen.flatMap(({ host }) => {
    if (host !== '0.0.0.0' && host !== '::') return [host]
    const ofFamily = usable.filter((ip) => ip.includes(':') === (host === '::'))
    return ofFamily.length > 0 ? ofFamily : [host === '::' ? '::1' : '127.0.0.1']
  })
  return [...new Set(ips.map((ip) => advertised.get(ip) ?? ip))]
}

/** The same with ports: what join strings name. Loopback only when there is nothing else. */
function publicEndpoints(
  listen: readonly Endpoint[],
  command: RelayUpCommand,
  runtime: Runtime,
): readonly Endpoint[] {
  const all = listen.flatMap((one) =>
    publicIps([one], command, runtime).map((host) => ({ host, port: one.port })),
  )
  const reachable = all.filter(({ host }) => !isIp(host) || ipScope(host) !== 'loopback')
  return reachable.length > 0 ? reachable : all
}

function announce(relay: RelayServer, command: RelayUpCommand, output: Output, runtime: Runtime): void {
  const tcp = relay.tcpAddresses.map(formatAddress)
  const stun = relay.stunAddresses.map(formatAddress)
  const urls = relayUrls(relay, command, runtime)
  const admin = relay.adminAddress === undefined ? undefined : formatAddress(relay.adminAddress)
  if (command.json) {
    const fingerprint = relay.fingerprint
    output.event({
      event: 'ready',
      tcp,
      stun,
      urls,
      ...(admin === undefined ? {} : { admin }),
      ...(fingerprint === undefined ? {} : { fingerprint }),
      ...(relay.network === undefined ? {} : { network: networkJson(relay.network) }),
    })
    return
  }
  output.say(`p2p-reach relay ${VERSION} is up\n`)
  output.say(`  STUN (UDP)         ${stun.join('  ')}\n`)
  output.say(`  TCP (STUN, HTTP${relay.fingerprint === undefined ? '' : ', TLS'})  ${tcp.join('  ')}\n`)
  if (admin !== undefined) output.say(`  admin              http://${admin}/metrics\n`)
  if (!hasTwoAddresses(relay)) {
    output.say(
      '\nWith one address, clients learn less about their NAT; add a second one:  --stun ADDR:PORT\n',
    )
  }
  if (relay.network !== undefined) output.say(networkText(relay.network, command))
  output.say(`\nDiagnose a network with it:\n  p2p-reach diagnose --relay '${urls[0] ?? ''}'\n\n`)
}

function relayUrls(relay: RelayServer, command: RelayUpCommand, runtime: Runtime): readonly string[] {
  const scheme = relay.fingerprint === undefined ? 'http' : 'https'
  const pin =
    relay.fingerprint === undefined || command.tls.kind === 'files' ? '' : `#sha256=${relay.fingerprint}`
  return relay.tcpAddresses.flatMap(({ ip, port }) =>
    publicIps([{ host: ip, port }], command, runtime).map(
      (host) => `${scheme}://${formatAddress({ ip: host, port })}${pin}`,
    ),
  )
}

type Network = NonNullable<RelayServer['network']>

function networkJson(network: Network): Readonly<Record<string, unknown>> {
  const { rootKeyFile = null, domain, isNew } = network
  const roots = network.network.trust.network.roots.map(({ spkiSha256 }) => spkiSha256)
  const sshHostKey = network.ssh?.hostKey ?? null
  return { domain, roots, isNew, sshHostKey, issues: network.network.authority !== undefined, rootKeyFile }
}

/** What to do next. */
function networkText(network: Network, { homeArgument }: RelayUpCommand): string {
  const { domain, isNew, rootKeyFile } = network
  const lines = [`  network            ${domain}${isNew ? '  (new)' : ''}\n`]
  if (network.ssh !== undefined) lines.push(`  SSH host key       ${network.ssh.hostKey}\n`)
  if (rootKeyFile !== undefined) {
    lines.push(
      '\nThe root’s private key can make and unmake this network, and the relay does not need it. Move it offline:\n',
      `  ${rootKeyFile}\n`,
    )
  }
  if (network.network.authority !== undefined) {
    lines.push('\nLet a peer in:\n', `  p2p-reach invite alice${homeArgument}\n`)
  }
  return lines.join('')
}

function hasTwoAddresses(relay: RelayServer): boolean {
  const ips = new Set(
    relay.stunAddresses.map(({ ip }) => ip).filter((ip) => !ip.includes(':') && ipScope(ip) !== 'loopback'),
  )
  return ips.size !== 1
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
