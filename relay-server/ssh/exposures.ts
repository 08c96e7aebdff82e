/** A service that an SSH client exposes over one connection. */
export interface Exposure<Connection> {
  readonly connection: Connection
  /** Fingerprint of the key of whoever exposes it. */
  readonly owner: string
  /** The key's name. */
  readonly name: string
  /** Undefined for one that has only a port. */
  readonly service: string | undefined
  readonly port: number
  /** As the client said it: it expects the same with each connection (RFC 4254 §7.2). */
  readonly bindAddress: string
}

/**
 * What is exposed now. Of several with the same owner, name and port the newest counts; when its connection ends, the one
 * before it does again: after a cut the dead connection may be there longer than the new one takes to come.
 */
export class Exposures<Connection> {
  /** The newest last. */
  #all: readonly Exposure<Connection>[] = []

  add(exposure: Exposure<Connection>): void {
    this.#all = [...this.#all, exposure]
  }

  /** Takes one back. False when that connection has none such. */
  remove(connection: Connection, bindAddress: string, port: number): boolean {
    const left = this.#all.filter(
      (one) => one.connection !== connection || one.bindAddress !== bindAddress || one.port !== port,
    )
    const isGone = left.length < this.#all.length
    this.#all = left
    return isGone
  }

  /** The connection is gone, with all that it exposes. */
  drop(connection: Connection): void {
    this.#all = this.#all.filter((one) => one.connection !== connection)
  }

  countOf(connection: Connection): number {
    return this.#all.filter((one) => one.connection === connection).length
  }

  /** Those of an owner that count, by its fingerprint. */
  ofOwner(owner: string): readonly Exposure<Connection>[] {
    return newest(this.#all.filter((one) => one.owner === owner))
  }

  /** Those with that name of a service, of whatever owner, that count. */
  ofService(service: string): readonly Exposure<Connection>[] {
    return newest(this.#all.filter((one) => one.service === service))
  }
}

/** `web.web1:80` as others name it; `web1:80` without a name of its own. */
export function nameOfExposure({
  service,
  name,
  port,
}: Pick<Exposure<unknown>, 'service' | 'name' | 'port'>): string {
  return `${service === undefined ? '' : `${service}.`}${name}:${port}`
}

function newest<Connection>(all: readonly Exposure<Connection>[]): readonly Exposure<Connection>[] {
  return [...new Map(all.map((one) => [`${one.owner} ${nameOfExposure(one)}`, one])).values()]
}
