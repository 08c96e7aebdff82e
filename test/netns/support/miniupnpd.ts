import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Gateway } from '../../../cli/demo/lab/gateway.ts'
import { LAN_INTERFACE, WAN_INTERFACE } from '../../../cli/demo/lab/gateway-ruleset.ts'
import { findTool } from '../../../cli/demo/lab/tools.ts'
import { RunningProgram } from './running-program.ts'

/** What of miniupnpd(8) a test chooses. */
export interface MiniupnpdOptions {
  /** UPnP as version 1 of the InternetGatewayDevice. @default false: version 2 */
  readonly igdV1?: boolean
  /** @default true */
  readonly upnp?: boolean
  /** NAT-PMP, and PCP with it. @default true */
  readonly natPmp?: boolean
  /** Whether a host may map ports for itself alone. @default true */
  readonly secureMode?: boolean
  /** What it calls its outer address; undefined: the real one. @default {@link LABEL_IP} */
  readonly externalIp?: string | undefined
  /** Lines of miniupnpd.conf besides. @default none */
  readonly extraLines?: readonly string[]
}

/**
 * The gateways of a lab have documentation addresses outside, and miniupnpd refuses to map anything at an address that is
 * reserved ("private/reserved address … is not suitable"). It takes another one's word: the rules match the interface and
 * the port alone, and nothing is ever sent there.
 */
export const LABEL_IP = '45.77.10.20'

/** Where IGDs of miniupnpd serve their description. */
export const IGD_HTTP_PORT = 5000

/**
 * Hooks of miniupnpd's chains. Those of translation lie a step before the gateway's own. The filter chain must be in the
 * gateway's own table: what one table drops, no other can let in.
 */
const HOOKS = `
table inet lab_filter {
  chain miniupnpd { }
}
insert rule inet lab_filter forward iifname "${WAN_INTERFACE}" jump miniupnpd
table inet lab_upnp {
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain prerouting { type nat hook prerouting priority dstnat - 1; iifname "${WAN_INTERFACE}" jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority srcnat - 1; oifname "${WAN_INTERFACE}" jump postrouting_miniupnpd; }
}
`

/** What a router forgets when it loses power. */
const FORGET = `
flush chain inet lab_filter miniupnpd
flush chain inet lab_upnp prerouting_miniupnpd
flush chain inet lab_upnp postrouting_miniupnpd
`

/** A router that lists mappings and forwards nothing (tailscale#21208 tells of one). */
const DROP_ALL = `insert rule inet lab_filter forward iifname "${WAN_INTERFACE}" ct state new drop`

/** Why tests with miniupnpd can't run here; undefined when they can. */
export function missingMappingTools(): string | undefined {
  const missing = ['miniupnpd', 'upnpc', 'natpmpc'].filter((name) => findTool(name) === undefined)
  return missing.length === 0 ? undefined : `${missing.join(', ')} not installed (.ci/run installs them)`
}

/** A real miniupnpd in a gateway of a lab. It ends with the lab. */
export class Miniupnpd {
  readonly #gateway: Gateway
  readonly #folder: string
  #program: RunningProgram

  private constructor(gateway: Gateway, folder: string, program: RunningProgram) {
    this.#gateway = gateway
    this.#folder = folder
    this.#program = program
  }

  /**
   * Resolves when it serves.
   * @param folder where its files are; the caller removes it
   */
  static async start(gateway: Gateway, folder: string, options: MiniupnpdOptions = {}): Promise<Miniupnpd> {
    await writeFile(join(folder, 'conf'), configuration(folder, options))
    await writeFile(join(folder, 'leases'), '')
    await gateway.nft(HOOKS)
    return new Miniupnpd(gateway, folder, await run(gateway, folder))
  }

  /** All that it logged so far, for messages. */
  get log(): string {
    return this.#program.lines.join('\n')
  }

  /** Ends it as a power cut does: no farewell, and no rule or lease is left. */
  async crash(): Promise<void> {
    await this.#program.stop('SIGKILL')
    await this.#gateway.nft(FORGET)
    await writeFile(join(this.#folder, 'leases'), '')
    await rm(join(this.#folder, 'pid'), { force: true })
  }

  /** Starts it again; it announces that it has lost its state. */
  async restart(): Promise<void> {
    this.#program = await run(this.#gateway, this.#folder)
  }

  /** From now on it grants and lists, and nothing new comes in. */
  async stopForwarding(): Promise<void> {
    await this.#gateway.nft(DROP_ALL)
  }

  /** The rules that it made. */
  async rules(): Promise<string> {
    const { namespace } = this.#gateway
    const redirects = await namespace.must([
      'nft',
      'list',
      'chain',
      'inet',
      'lab_upnp',
      'prerouting_miniupnpd',
    ])
    return redirects + (await namespace.must(['nft', 'list', 'chain', 'inet', 'lab_filter', 'miniupnpd']))
  }
}

/**
 * Where no syslog listens, miniupnpd writes each line to the machine's console as well, and waits for it. A serial one takes
 * ten milliseconds a line: with a few daemons, their answers come seconds too late.
 */
const QUIET_CONSOLE = 'if [ -e /dev/console ]; then mount --bind /dev/null /dev/console; fi'

async function run(gateway: Gateway, folder: string): Promise<RunningProgram> {
  const argv = ['miniupnpd', '-d', '-f', join(folder, 'conf'), '-P', join(folder, 'pid')]
  const program = new RunningProgram(
    gateway.spawn('unshare', ['--mount', 'sh', '-c', `${QUIET_CONSOLE}; exec "$@" 2>&1`, 'sh', ...argv]),
  )
  await program.waitForLine(/listening on (?:port )?\S*:?\d+|Listening for NAT-PMP/)
  return program
}

function configuration(folder: string, options: MiniupnpdOptions): string {
  const { igdV1 = false, upnp = true, natPmp = true, secureMode = true, extraLines = [] } = options
  const externalIp = 'externalIp' in options ? options.externalIp : LABEL_IP
  const yesNo = (value: boolean) => (value ? 'yes' : 'no')
  const lines = [
    `ext_ifname=${WAN_INTERFACE}`,
    `ext_ifname6=${WAN_INTERFACE}`,
    ...(externalIp === undefined ? [] : [`ext_ip=${externalIp}`]),
    `listening_ip=${LAN_INTERFACE}`,
    `port=${IGD_HTTP_PORT}`,
    // It turns on PCP, too; there is no option of its own.
    `enable_natpmp=${yesNo(natPmp)}`,
    `enable_upnp=${yesNo(upnp)}`,
    ...(igdV1 ? ['force_igd_desc_v1=yes'] : []),
    'min_lifetime=10',
    'max_lifetime=86400',
    `secure_mode=${yesNo(secureMode)}`,
    'system_uptime=no',
    'notify_interval=60',
    'clean_ruleset_interval=600',
    'upnp_table_name=lab_filter',
    'upnp_nat_table_name=lab_upnp',
    'upnp_forward_chain=miniupnpd',
    'upnp_nat_chain=prerouting_miniupnpd',
    'upnp_nat_postrouting_chain=postrouting_miniupnpd',
    'uuid=9a0b2b0e-7e1f-4a43-9f1d-0d6d6a1f0001',
    'serial=1',
    'model_number=1',
    'friendly_name=lab router',
    `lease_file=${join(folder, 'leases')}`,
    ...extraLines,
    'allow 1024-65535 192.168.0.0/16 1024-65535',
    'deny 0-65535 0.0.0.0/0 0-65535',
  ]
  return lines.map((line) => `${line}\n`).join('')
}
