import type { Behavior } from '../../../cli/demo/lab/ground-truth.ts'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'

/** One answer of a STUN server, as coturn's client prints it. */
export interface Reflexion {
  readonly localPort: number
  readonly ip: string
  readonly port: number
}

/** What `turnutils_natdiscovery` found. Silence in its first step, to which it has no word, is `unknown`. */
export interface CoturnVerdict {
  readonly behavior: Behavior
  readonly reflexions: readonly Reflexion[]
  readonly output: string
}

const BEHAVIORS: Readonly<Record<string, Behavior>> = {
  'Endpoint Independent': 'endpoint-independent',
  'Address Dependent': 'address-dependent',
  'Address and Port Dependent': 'address-and-port-dependent',
}

/**
 * RFC 5780 discovery by coturn's client. It compares the mapped address with the one given by `-L`, else with 0.0.0.0, so
 * "no NAT" needs `-L`. Having said "No NAT!" it goes on and says "NAT with Endpoint Independent Mapping!" too. Waits 3 s
 * for each answer and asks once.
 */
export async function coturnVerdict(
  host: LabNode,
  test: 'mapping' | 'filtering',
  localIp: string,
  serverIp: string,
): Promise<CoturnVerdict> {
  const flag = test === 'mapping' ? '-m' : '-f'
  const { stdout: output } = await host.exec('turnutils_natdiscovery', [flag, '-L', localIp, serverIp])
  const noNat = test === 'mapping' && output.includes('No NAT!')
  const [, words = ''] = /NAT with (.*) (?:Mapping|Filtering)!/.exec(output) ?? []
  return {
    behavior: noNat ? 'none' : (BEHAVIORS[words] ?? 'unknown'),
    reflexions: reflexions(output),
    output,
  }
}

function reflexions(output: string): Reflexion[] {
  const pairs = /UDP reflexive addr: (?<ip>\S+):(?<port>\d+)\n.*Local addr: : \S+:(?<localPort>\d+)/g
  return [...output.matchAll(pairs)].map(({ groups = {} }) => ({
    ip: groups.ip ?? '',
    port: Number(groups.port),
    localPort: Number(groups.localPort),
  }))
}

/** True when coturn's client got a packet back from its own outside address (RFC 5780 §3.4). */
export async function coturnHairpin(host: LabNode, localIp: string, serverIp: string): Promise<boolean> {
  const { stdout } = await host.exec('turnutils_natdiscovery', ['-H', '-L', localIp, serverIp])
  return stdout.includes('successful hairpinning')
}

/**
 * True when, to coturn's client, a mapping is still there after `idleS` seconds without a packet (RFC 5780 §4.6): the
 * server answers to the old port a request that came from another.
 */
export async function coturnLifetime(
  host: LabNode,
  localIp: string,
  serverIp: string,
  idleS: number,
): Promise<boolean> {
  const { stdout } = await host.exec('turnutils_natdiscovery', [
    '-t',
    '-T',
    String(idleS),
    '-L',
    localIp,
    serverIp,
  ])
  return stdout.includes('RFC 5780 response 2')
}

/** What Debian's `stun` client (RFC 3489, IPv4 only) found, in its own words: `Independent Mapping, …`. */
export async function stunClientVerdict(host: LabNode, serverIp: string): Promise<string> {
  const { stdout } = await host.exec('stun', [serverIp])
  return /Primary: (.*?)\s*$/m.exec(stdout)?.[1] ?? stdout
}
