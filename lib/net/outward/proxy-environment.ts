import { inspect } from 'node:util'
import type { Endpoint } from '../../base/endpoint.ts'
import { formatEndpoint, parseEndpoint } from '../../base/endpoint.ts'
import { ipToBytes, isIp } from '../../base/transport-address.ts'
import { fitsSocks } from '../../protocol/socks/socks5.ts'
import type { SocksLogin } from '../../protocol/socks/socks5.ts'
import { parseUrl } from './parse-url.ts'

/** Environment variables by name, handed in by whoever may read them. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>

/** Where connections to a target should go through, by the environment's convention. */
export type ProxyChoice =
  | { readonly kind: 'direct' }
  /** A proxy is named, but `source` (NO_PROXY) exempts the target. */
  | { readonly kind: 'exempt'; readonly source: string }
  | { readonly kind: 'proxy'; readonly proxy: Proxy }
  /** A kind of proxy that can't be used: `scheme` is socks4, … */
  | { readonly kind: 'unsupported'; readonly source: string; readonly scheme: string }
  /** `source` holds something that is no URL of a proxy; not shown, since it may hold a password. */
  | { readonly kind: 'invalid'; readonly source: string }

/** A proxy that opens connections. */
export interface Proxy {
  /** How it is asked: CONNECT of HTTP (RFC 9110 §9.3.6), or SOCKS 5 (RFC 1928). */
  readonly kind: 'connect' | 'socks5'
  readonly endpoint: Endpoint
  /** HOST:PORT, without credentials. */
  readonly address: string
  /** Talk TLS to the proxy itself (`https://` proxy URLs). */
  readonly secure: boolean
  /** The environment variable that names it. */
  readonly source: string
  readonly credentials?: ProxyCredentials
}

/** User name and password of a proxy. Prints as `[redacted]`, in every way of printing. */
export class ProxyCredentials {
  readonly #username: string
  readonly #password: string

  constructor(username: string, password: string) {
    this.#username = username
    this.#password = password
  }

  /** The value of a Proxy-Authorization header (RFC 7617 §2, in UTF-8). */
  basicAuthorization(): string {
    const userInfo = new TextEncoder().encode(`${this.#username}:${this.#password}`)
    return `Basic ${btoa(String.fromCharCode(...userInfo))}`
  }

  /** The same for SOCKS 5 (RFC 1929), in UTF-8. */
  socksLogin(): SocksLogin {
    const encoder = new TextEncoder()
    return { username: encoder.encode(this.#username), password: encoder.encode(this.#password) }
  }

  toString(): string {
    return '[redacted]'
  }

  toJSON(): string {
    return '[redacted]'
  }

  [inspect.custom](): string {
    return '[redacted]'
  }
}

/** What proxy URLs without a port mean (RFC 9110 §4.2, as in Go and Node; curl alone says 1080). */
const DEFAULT_PORTS = { 'http:': 80, 'https:': 443 } as const
/** RFC 1928 §3; `socks5h` is curl's word for names that the proxy resolves, which we always want. */
const SOCKS_PORT = 1080
const SOCKS_SCHEMES: readonly string[] = ['socks5:', 'socks5h:', 'socks:']

/**
 * Reads HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, lower case before upper case as curl does. A variable for the
 * other scheme is the last resort: a proxy that is named at all is worth asking. Loopback is not exempt by itself.
 */
export function proxyFor(
  env: ProxyEnvironment,
  target: Endpoint & { readonly secure: boolean },
): ProxyChoice {
  const order = target.secure ? ['https', 'all', 'http'] : ['http', 'all', 'https']
  const found = firstSet(
    env,
    order.map((scheme) => `${scheme}_proxy`),
  )
  if (found === undefined) return { kind: 'direct' }
  const exempting = firstSet(env, ['no_proxy'])
  if (exempting !== undefined && isExempt(exempting.value, target)) {
    return { kind: 'exempt', source: exempting.name }
  }
  return readProxyUrl(found.name, found.value)
}

/** All proxies that the environment names for a target, by the same rules, each once: what can be tried one after the other. */
export function proxiesFor(env: ProxyEnvironment, target: Endpoint): readonly Proxy[] {
  const found = new Map<string, Proxy>()
  for (const name of ['https_proxy', 'all_proxy', 'http_proxy']) {
    const names = [name, name.toUpperCase(), 'no_proxy', 'NO_PROXY']
    const only = Object.fromEntries(names.map((one) => [one, env[one]]))
    const choice = proxyFor(only, { ...target, secure: true })
    if (choice.kind !== 'proxy') continue
    const key = `${choice.proxy.kind} ${choice.proxy.address}`
    if (!found.has(key)) found.set(key, choice.proxy)
  }
  return [...found.values()]
}

/** The first variable that is set and not empty, in lower case and then in upper case. */
function firstSet(
  env: ProxyEnvironment,
  names: readonly string[],
): { name: string; value: string } | undefined {
  for (const name of names.flatMap((lower) => [lower, lower.toUpperCase()])) {
    const value = env[name]?.trim()
    if (value !== undefined && value !== '') return { name, value }
  }
  return undefined
}

function readProxyUrl(source: string, value: string): ProxyChoice {
  const url = parseUrl(/^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`)
  if (url === undefined) return { kind: 'invalid', source }
  const { protocol } = url
  const isSocks = SOCKS_SCHEMES.includes(protocol)
  if (!isSocks && protocol.startsWith('socks'))
    return { kind: 'unsupported', source, scheme: protocol.slice(0, -1) }
  if (!isSocks && protocol !== 'http:' && protocol !== 'https:') return { kind: 'invalid', source }
  const defaultPort = protocol === 'http:' || protocol === 'https:' ? DEFAULT_PORTS[protocol] : SOCKS_PORT
  const endpoint = parseHost(url.host, defaultPort)
  const credentials = credentialsOf(url)
  if (endpoint === undefined || credentials === 'invalid') return { kind: 'invalid', source }
  if (isSocks && credentials !== undefined && !fitsSocks(credentials.socksLogin()))
    return { kind: 'invalid', source }
  const kind = isSocks ? 'socks5' : 'connect'
  const address = formatEndpoint(endpoint)
  const proxy = { kind, endpoint, address, secure: protocol === 'https:', source } as const
  return { kind: 'proxy', proxy: credentials === undefined ? proxy : { ...proxy, credentials } }
}

function parseHost(text: string, defaultPort: number): Endpoint | undefined {
  try {
    return parseEndpoint(text, defaultPort)
  } catch {
    return undefined // the only question is whether it parses
  }
}

function credentialsOf({ username, password }: URL): ProxyCredentials | 'invalid' | undefined {
  if (username === '' && password === '') return undefined
  try {
    return new ProxyCredentials(decodeURIComponent(username), decodeURIComponent(password))
  } catch {
    return 'invalid' // a percent sign that encodes nothing
  }
}

/**
 * NO_PROXY: names separated by commas or spaces. `*` is everything; a name, with or without a leading dot, is itself and
 * all below it; an IP is itself; IP/BITS is a network; any of them but networks may end in :PORT.
 */
export function isExempt(noProxy: string, target: Endpoint): boolean {
  // Without the dot that ends a full name, and without an IPv6 zone.
  const host = target.host.replace(/\.$|%.*$/, '')
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => entry === '*' || isInNetwork(entry, host) || isSameOrBelow(entry, host, target.port))
}

function isSameOrBelow(entry: string, host: string, port: number): boolean {
  const endpoint = parseHost(entry.replace(/^\*?\./, '').replace(/\.$/, ''), port)
  if (endpoint?.port !== port) return false
  return host === endpoint.host || (!isIp(host) && host.endsWith(`.${endpoint.host}`))
}

function isInNetwork(entry: string, host: string): boolean {
  const [network = '', bitsText = ''] = entry.split('/')
  if (!isIp(network) || !isIp(host) || !/^[0-9]{1,3}$/.test(bitsText)) return false
  const prefix = ipToBytes(network)
  const bytes = ipToBytes(host)
  const bits = Number(bitsText)
  if (prefix.length !== bytes.length || bits > bytes.length * 8) return false
  return prefix.every((byte, index) => {
    const mask = (0xff << Math.max(0, 8 - Math.max(0, bits - index * 8))) & 0xff
    return (byte & mask) === ((bytes[index] ?? 0) & mask)
  })
}
