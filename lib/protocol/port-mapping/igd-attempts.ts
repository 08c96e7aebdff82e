import { UPNP_ERROR } from './upnp-error.ts'

/** Ours: with eight conflicts in a row the router takes no port at all (seen: 718 for everything). */
export const MAX_ATTEMPTS = 8

/** One way to ask for a mapping. */
export interface MappingAttempt {
  readonly action: 'AddAnyPortMapping' | 'AddPortMapping'
  readonly externalPort: number
  /** Seconds; 0: permanent. */
  readonly lifetimeS: number
}

/** What is wanted, and what the gateway knows. */
export interface AttemptOptions {
  /** Of the service: 2 has AddAnyPortMapping. */
  readonly version: number
  readonly internalPort: number
  /** Undefined: any; then the internal port first, as routers that map to equal ports alone demand (error 724). */
  readonly wantedPort: number | undefined
  /** Whether another port than the wanted one will do. */
  readonly acceptsOtherPort: boolean
  readonly lifetimeS: number
  /** A port from 1024 up that nobody can guess. */
  readonly randomPort: () => number
}

/**
 * How to ask again after a fault, for routers that take few ways of asking: other ports where any will do, permanent
 * mappings where leases are unknown, the older action where the newer one fails. Ends after {@link MAX_ATTEMPTS}.
 */
export class IgdAttempts {
  readonly #options: AttemptOptions
  #current: MappingAttempt
  #count = 1
  #hasTriedSamePort: boolean

  constructor(options: AttemptOptions) {
    this.#options = options
    this.#current = {
      // What AddAnyPortMapping grants may be any port.
      action: options.version >= 2 && isAnyAccepted(options) ? 'AddAnyPortMapping' : 'AddPortMapping',
      externalPort: options.wantedPort ?? options.internalPort,
      lifetimeS: options.lifetimeS,
    }
    this.#hasTriedSamePort = this.#current.externalPort === options.internalPort
  }

  /** What to ask now. */
  get current(): MappingAttempt {
    return this.#current
  }

  /** What to ask after this fault; undefined: nothing, the fault is the answer. */
  afterFault(code: number): MappingAttempt | undefined {
    const next = this.#count >= MAX_ATTEMPTS ? undefined : this.#next(code)
    if (next === undefined) return undefined
    this.#count++
    return (this.#current = next)
  }

  #next(code: number): MappingAttempt | undefined {
    const { action } = this.#current
    switch (code) {
      case UPNP_ERROR.onlyPermanentLeasesSupported:
        return this.#permanent()
      case UPNP_ERROR.conflictInMappingEntry:
      case UPNP_ERROR.conflictWithOtherMechanisms:
        return this.#otherPort()
      case UPNP_ERROR.samePortValuesRequired:
        return this.#samePort()
      case UPNP_ERROR.noPortMapsAvailable:
        return undefined
      case UPNP_ERROR.invalidArgs:
      case UPNP_ERROR.actionFailed:
        // Seen for lifetimes other than 0, by routers that do not know error 725.
        return action === 'AddAnyPortMapping' ? this.#olderAction() : this.#permanent()
      default:
        return action === 'AddAnyPortMapping' ? this.#olderAction() : undefined
    }
  }

  #olderAction(): MappingAttempt {
    return { ...this.#current, action: 'AddPortMapping' }
  }

  #permanent(): MappingAttempt | undefined {
    return this.#current.lifetimeS === 0 ? undefined : { ...this.#current, lifetimeS: 0 }
  }

  #otherPort(): MappingAttempt | undefined {
    if (!isAnyAccepted(this.#options)) return undefined
    return { ...this.#current, externalPort: this.#options.randomPort() }
  }

  #samePort(): MappingAttempt | undefined {
    const { internalPort } = this.#options
    if (!isAnyAccepted(this.#options) || this.#hasTriedSamePort) return undefined
    this.#hasTriedSamePort = true
    return { ...this.#current, externalPort: internalPort }
  }
}

function isAnyAccepted({ wantedPort, acceptsOtherPort }: AttemptOptions): boolean {
  return wantedPort === undefined || acceptsOtherPort
}
