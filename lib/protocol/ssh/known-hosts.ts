import { createHmac } from 'node:crypto'
import type { Endpoint } from '../../base/endpoint.ts'
import { sameBytes } from '../../base/same-bytes.ts'
import type { HostKeyBlob } from './host-key.ts'
import { hostKeyFingerprint, hostKeyType } from './host-key.ts'

/** One line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
interface KnownHost {
  readonly marker: '@revoked' | undefined
  readonly hosts: string
  readonly type: string
  readonly key: Uint8Array
}

/** What is known of a host: keys that it may show, and keys that nobody may. */
export interface KnownKeys {
  readonly trusted: readonly HostKeyBlob[]
  readonly revoked: readonly HostKeyBlob[]
}

/** Whether a host key is the right one. */
export type HostKeyVerdict = 'right' | 'unknown' | 'changed' | 'revoked'

/** Ours: lines are short; a longer one is no line of such a file. */
const MAX_LINE_LENGTH = 16_384

/** The keys that files know for a host. Lines that make no sense are passed over, as ssh does. */
export function knownKeysOf(files: readonly string[], host: Endpoint): KnownKeys {
  const lines = files.flatMap((text) => text.split(/\r?\n/)).flatMap((line) => readLine(line) ?? [])
  const matching = lines.filter(({ hosts }) => matches(hosts, host))
  const keys = (marker: KnownHost['marker']) =>
    matching.filter((line) => line.marker === marker).map(({ key }) => key)
  return { trusted: keys(undefined), revoked: keys('@revoked') }
}

/**
 * Decides about a host key. A pin says more than files, but not more than a revocation.
 * @param pin as {@link hostKeyFingerprint} writes it
 */
export function judgeHostKey(key: HostKeyBlob, known: KnownKeys, pin: string | undefined): HostKeyVerdict {
  if (known.revoked.some((one) => sameBytes(one, key))) return 'revoked'
  if (pin !== undefined) return hostKeyFingerprint(key) === pin ? 'right' : 'changed'
  if (known.trusted.some((one) => sameBytes(one, key))) return 'right'
  return known.trusted.length === 0 ? 'unknown' : 'changed'
}

function readLine(line: string): KnownHost | undefined {
  if (line.length > MAX_LINE_LENGTH || line.startsWith('#')) return undefined
  const words = line.trim().split(/[ \t]+/)
  const marker = words[0]?.startsWith('@') === true ? words.shift() : undefined
  const [hosts, type, base64] = words
  if (hosts === undefined || type === undefined || base64 === undefined) return undefined
  // Keys of CAs vouch for certificates, which only the system's ssh reads.
  if (marker !== undefined && marker !== '@revoked') return undefined
  const key = Buffer.from(base64, 'base64')
  return hostKeyType(key) === type ? { marker, hosts, type, key } : undefined
}

/** Any of the patterns, and none that begins with `!`. A port other than 22 is part of the name: `[host]:2222`. */
function matches(hosts: string, { host, port }: Endpoint): boolean {
  const name = port === 22 ? host : `[${host}]:${port}`
  if (hosts.startsWith('|')) return matchesHash(hosts, name)
  const patterns = hosts.toLowerCase().split(',')
  if (patterns.some((pattern) => pattern.startsWith('!') && like(pattern.slice(1), name))) return false
  return patterns.some((pattern) => !pattern.startsWith('!') && like(pattern, name))
}

/** `|1|SALT|HASH`: HMAC-SHA1 of the name under the salt (ssh_config(5), HashKnownHosts). */
function matchesHash(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split('|')
  if (version !== '1' || salt === undefined || hash === undefined) return false
  const expected = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  return sameBytes(expected, Buffer.from(hash, 'base64'))
}

/** `*` stands for anything, `?` for one character (ssh_config(5), PATTERNS). */
function like(pattern: string, text: string): boolean {
  const parts = pattern.split('*')
  if (parts.length > 16) return false // ours: more of them only cost time
  const escaped = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll('\\?', '.'))
  return new RegExp(`^${escaped.join('.*')}$`).test(text)
}
