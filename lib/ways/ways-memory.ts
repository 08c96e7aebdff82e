import { join } from 'node:path'
import { ReachError } from '../base/errors.ts'
import type { Runtime } from '../base/runtime.ts'
import { Turns } from '../base/turns.ts'
import { writeFileAtomically } from '../identity/files/atomic-file.ts'
import { readTextFile } from '../identity/files/read-file.ts'
import type { KnownWay, KnownWays } from './ways-format.ts'
import { formatWays, parseWays } from './ways-format.ts'

/** In the home folder. */
const FILE = 'ways.json'

/**
 * Which ways led to relays from which networks. It is kept in the home folder, as programs come and go; what is lost, or
 * written by two at once, only costs a little time.
 */
export class WaysMemory {
  readonly #runtime: Runtime
  readonly #path: string | undefined
  readonly #ways = new Map<string, KnownWay>()
  readonly #addresses = new Map<string, readonly string[]>()
  #loading: Promise<void> | undefined
  readonly #saving = new Turns()

  /** @param home Default: it ends with the process */
  constructor(runtime: Runtime, home: string | undefined) {
    this.#runtime = runtime
    this.#path = home === undefined ? undefined : join(home, FILE)
  }

  /** Reads what earlier processes have left, once. Never rejects. */
  load(): Promise<void> {
    return (this.#loading ??= this.#load())
  }

  way(network: string, relay: string): KnownWay | undefined {
    return this.#ways.get(keyOf(network, relay))
  }

  /** Notes what is news. Legs are known of one way; what cuts silence is taken to stand before all of them. */
  note(network: string, relay: string, news: Partial<KnownWay> & Pick<KnownWay, 'way'>): void {
    const before = this.way(network, relay)
    const known = before === undefined || before.way === news.way ? before : withoutLegs(before)
    const usedMs = this.#runtime.clock.wallMs()
    const next = { ...known, network, relay, ...news, usedMs }
    this.#ways.set(keyOf(network, relay), next)
    const isSame =
      before?.way === next.way && before.legs === next.legs && before.keepaliveMs === next.keepaliveMs
    if (!isSame) this.#save()
  }

  /** Legs are to be tried anew: what was known of them seems to be wrong. */
  forgetLegs(network: string, relay: string): void {
    const known = this.way(network, relay)
    if (known !== undefined) this.#ways.set(keyOf(network, relay), withoutLegs(known))
  }

  /** Where a relay was reached last, best first. */
  addresses(relay: string): readonly string[] {
    return this.#addresses.get(relay) ?? []
  }

  noteAddress(relay: string, ip: string): void {
    const known = this.addresses(relay)
    if (known[0] === ip) return
    this.#addresses.delete(relay) // the last is the newest
    this.#addresses.set(relay, [ip, ...known.filter((one) => one !== ip)].slice(0, 4))
    this.#save()
  }

  /** What is learnt later is not kept. Never rejects. */
  close(): Promise<void> {
    return this.#saving.close()
  }

  async #load(): Promise<void> {
    if (this.#path === undefined) return
    try {
      const text = await readTextFile(this.#path)
      if (text === undefined) return
      const { ways, addresses } = parseWays(text)
      for (const way of ways) this.#ways.set(keyOf(way.network, way.relay), way)
      for (const { relay, ips } of addresses) this.#addresses.set(relay, ips)
    } catch (error) {
      if (!ReachError.is(error)) throw error // a file that is damaged is as good as none
    }
  }

  #save(): void {
    const path = this.#path
    if (path === undefined) return
    void this.#saving.take(() => writeFileAtomically(path, formatWays(this.#known()))).catch(() => undefined) // it only costs a little time
  }

  #known(): KnownWays {
    const addresses = [...this.#addresses].map(([relay, ips]) => ({ relay, ips }))
    return { ways: [...this.#ways.values()], addresses }
  }
}

function withoutLegs({ network, relay, way, keepaliveMs, usedMs }: KnownWay): KnownWay {
  return { network, relay, way, usedMs, ...(keepaliveMs === undefined ? {} : { keepaliveMs }) }
}

function keyOf(network: string, relay: string): string {
  return `${network} ${relay}`
}

/** A name for the network that this host is in: its gateways. Two homes with the same one only cost each other time. */
export async function networkKey({ network }: Runtime): Promise<string> {
  const gateways = await network.defaultGateways()
  const names = gateways.slice(0, 2).map(({ ip, interfaceName }) => `${ip}@${interfaceName}`)
  return names.length === 0 ? 'no-gateway' : names.join(' ')
}
