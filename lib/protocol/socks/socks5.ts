import { ByteWriter } from '../../base/byte-writer.ts'
import type { Endpoint } from '../../base/endpoint.ts'
import { ReachError } from '../../base/errors.ts'
import { ipToBytes, isIp } from '../../base/transport-address.ts'

/** User name and password as RFC 1929 §2 sends them: 1 to 255 bytes each. */
export interface SocksLogin {
  readonly username: Uint8Array
  readonly password: Uint8Array
}

/** True for a login that RFC 1929 has room for. */
export function fitsSocks({ username, password }: SocksLogin): boolean {
  return [username, password].every(({ length }) => length >= 1 && length <= 255)
}

/** What comes of bytes of the proxy. `done`: the connection leads to the target; `rest` has come from there already. */
export type SocksStep =
  | { readonly kind: 'more' }
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'done'; readonly rest: Uint8Array }
  | { readonly kind: 'refused'; readonly code: SocksRefusal }

/**
 * Why a proxy does not connect: `auth-required`: it takes no one without a login, or no login at all; `auth-failed`: not
 * this one; the others are REP of RFC 1928 §6.
 */
export type SocksRefusal = 'auth-required' | 'auth-failed' | `reply-${number}`

/** RFC 1928 §3: version, methods. */
const VERSION = 5
const NO_AUTHENTICATION = 0x00
const USERNAME_PASSWORD = 0x02
/** RFC 1929 §2. */
const LOGIN_VERSION = 1
/** RFC 1928 §4, §5. */
const CONNECT = 1
const ADDRESS_IPV4 = 1
const ADDRESS_NAME = 3
const ADDRESS_IPV6 = 4

type State = 'method' | 'login' | 'reply' | 'over'

/** The client's side of SOCKS 5 (RFC 1928, RFC 1929) up to the reply to CONNECT. The proxy resolves names. */
export class Socks5Handshake {
  readonly #target: Endpoint
  readonly #login: SocksLogin | undefined
  #state: State = 'method'
  #bytes: Uint8Array = new Uint8Array(0)

  /** @throws {RangeError} for a login, or a name, that the protocol has no room for */
  constructor(target: Endpoint, login?: SocksLogin) {
    if (login !== undefined && !fitsSocks(login)) throw new RangeError('a SOCKS login has 1 to 255 bytes')
    this.#target = target
    this.#login = login
    encodeConnect(target)
  }

  /** What to send first. */
  start(): Uint8Array {
    return this.#login === undefined
      ? Uint8Array.of(VERSION, 1, NO_AUTHENTICATION)
      : Uint8Array.of(VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD)
  }

  /**
   * Takes bytes of the proxy. After `send` more of them may be here already: push an empty chunk.
   * @throws {ReachError} ERR_REACH_DECODE for what is no SOCKS 5
   */
  push(chunk: Uint8Array): SocksStep {
    const bytes = new Uint8Array(this.#bytes.length + chunk.length)
    bytes.set(this.#bytes)
    bytes.set(chunk, this.#bytes.length)
    this.#bytes = bytes
    if (this.#state === 'method') return this.#takeMethod()
    if (this.#state === 'login') return this.#takeLogin()
    return this.#state === 'reply' ? this.#takeReply() : { kind: 'more' }
  }

  #takeMethod(): SocksStep {
    const pair = this.#take(2, VERSION)
    if (pair === undefined) return { kind: 'more' }
    const [, method] = pair
    if (method === NO_AUTHENTICATION) return this.#connect()
    if (method !== USERNAME_PASSWORD || this.#login === undefined) return this.#refused('auth-required')
    this.#state = 'login'
    return { kind: 'send', bytes: encodeLogin(this.#login) }
  }

  #takeLogin(): SocksStep {
    const pair = this.#take(2, LOGIN_VERSION)
    if (pair === undefined) return { kind: 'more' }
    return pair[1] === 0 ? this.#connect() : this.#refused('auth-failed')
  }

  #connect(): SocksStep {
    this.#state = 'reply'
    return { kind: 'send', bytes: encodeConnect(this.#target) }
  }

  /** RFC 1928 §6: 05 · reply · 00 · address type · address · port. Some proxies end after a refusal's first bytes. */
  #takeReply(): SocksStep {
    const [version, reply] = this.#bytes
    if (version !== undefined && version !== VERSION) throw noSocks(version)
    if (reply === undefined) return { kind: 'more' }
    if (reply !== 0) return this.#refused(`reply-${reply}`)
    const length = replyLength(this.#bytes)
    if (length === undefined || this.#bytes.length < length) return { kind: 'more' }
    this.#state = 'over'
    return { kind: 'done', rest: this.#bytes.slice(length) }
  }

  #refused(code: SocksRefusal): SocksStep {
    this.#state = 'over'
    return { kind: 'refused', code }
  }

  #take(length: number, version: number): Uint8Array | undefined {
    const [first] = this.#bytes
    if (first !== undefined && first !== version) throw noSocks(first)
    if (this.#bytes.length < length) return undefined
    const taken = this.#bytes.slice(0, length)
    this.#bytes = this.#bytes.slice(length)
    return taken
  }
}

/** The length of a reply; undefined while it can't be told. */
function replyLength(bytes: Uint8Array): number | undefined {
  const [, , , type, nameLength] = bytes
  if (type === undefined) return undefined
  switch (type) {
    case ADDRESS_IPV4:
      return 4 + 4 + 2
    case ADDRESS_IPV6:
      return 4 + 16 + 2
    case ADDRESS_NAME:
      return nameLength === undefined ? undefined : 4 + 1 + nameLength + 2
    default:
      throw new ReachError('ERR_REACH_DECODE', `a SOCKS reply with an address of type ${type}`)
  }
}

function encodeLogin({ username, password }: SocksLogin): Uint8Array {
  const writer = new ByteWriter().u8(LOGIN_VERSION)
  return writer.u8(username.length).bytes(username).u8(password.length).bytes(password).finish()
}

function encodeConnect({ host, port }: Endpoint): Uint8Array {
  const writer = new ByteWriter().u8(VERSION).u8(CONNECT).u8(0)
  if (isIp(host)) {
    const ip = ipToBytes(host)
    writer.u8(ip.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6).bytes(ip)
  } else {
    const name = new TextEncoder().encode(host)
    writer.u8(ADDRESS_NAME).u8(name.length).bytes(name)
  }
  return writer.u16(port).finish()
}

function noSocks(byte: number): ReachError {
  return new ReachError('ERR_REACH_DECODE', `what answered is no SOCKS 5: it begins with ${byte}`)
}

/** REP of RFC 1928 §6, in words. */
export function socksReplyMeaning(code: SocksRefusal, hasLogin: boolean): string {
  switch (code) {
    case 'auth-required':
      return hasLogin
        ? 'it takes neither this user name and password nor nobody’s'
        : 'it wants a user name and a password'
    case 'auth-failed':
      return 'it does not accept this user name and password'
    default:
      return REPLIES[Number(code.slice('reply-'.length))] ?? `it answered ${code}`
  }
}

const REPLIES: Readonly<Record<number, string>> = {
  1: 'it failed (general failure)',
  2: 'its rules do not allow this connection',
  3: 'it has no way to the network',
  4: 'it cannot reach the host',
  5: 'the relay’s port is closed (connection refused)',
  6: 'the connection ran out of hops (TTL expired)',
  7: 'it does not do CONNECT',
  8: 'it does not know this kind of address',
}
