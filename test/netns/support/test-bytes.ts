import type { ExecutionContext } from 'ava'
import type { Station } from './relayed-network.ts'

/** Bytes that no compression or luck can make up, the same for the same word, as a line of the shell. */
export function bytesOf(word: string, length: number): string {
  return `(head -c ${length} /dev/zero | openssl enc -aes-128-ctr -nosalt -pbkdf2 -pass pass:${word})`
}

/** What `sha256sum` says of what a line of the shell prints. */
export async function hashOf(t: ExecutionContext, station: Station, source: string): Promise<string> {
  const { stdout, stderr } = await station.shell(`${source} | sha256sum`)
  t.regex(stdout, /^[0-9a-f]{64}/, stderr)
  return stdout.slice(0, 64)
}
