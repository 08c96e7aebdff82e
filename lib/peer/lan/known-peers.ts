import { join } from 'node:path'
import { ReachError } from '../../base/errors.ts'
import { JsonReader } from '../../base/json-reader.ts'
import type { PeerId } from '../../base/peer-id.ts'
import { isPeerId } from '../../base/peer-id.ts'
import { Turns } from '../../base/turns.ts'
import { writeFileAtomically } from '../../identity/files/atomic-file.ts'
import { readTextFile } from '../../identity/files/read-file.ts'

/** In the home folder. */
const FILE = 'known-peers.json'
const SCHEMA = 'p2p-reach/known-peers/1'
/** Ours: those that were met last. */
const MAX_PEERS = 256

/**
 * Which key a name had when we met its holder: on a LAN, peers are found by their keys. Nothing rests on it: who is dialled
 * by name has to show a certificate with that name. What is lost, or written by two at once, costs a look at a relay.
 */
export class KnownPeers {
  readonly #path: string
  readonly #peers = new Map<string, PeerId>()
  #loading: Promise<void> | undefined
  readonly #saving = new Turns()

  constructor(home: string) {
    this.#path = join(home, FILE)
  }

  /** The last holder of a name; undefined for one that we never met. */
  async peerIdOf(name: string): Promise<PeerId | undefined> {
    await this.#load()
    return this.#peers.get(name)
  }

  /** We have met the holder of a name. */
  async met(name: string, peerId: PeerId): Promise<void> {
    await this.#load()
    if (this.#peers.get(name) === peerId) return
    this.#peers.delete(name) // the last is the newest
    this.#peers.set(name, peerId)
    const peers = [...this.#peers].slice(-MAX_PEERS).map(([each, id]) => ({ name: each, peerId: id }))
    const text = `${JSON.stringify({ schema: SCHEMA, peers }, undefined, 1)}\n`
    // Without it, the name is looked up at a relay.
    await this.#saving.take(() => writeFileAtomically(this.#path, text)).catch(() => undefined)
  }

  /** Whom we meet later is not kept. Never rejects. */
  close(): Promise<void> {
    return this.#saving.close()
  }

  #load(): Promise<void> {
    return (this.#loading ??= this.#read())
  }

  async #read(): Promise<void> {
    try {
      const text = await readTextFile(this.#path)
      if (text === undefined) return
      const reader = JsonReader.parse(text, 'the memory of peers')
      if (reader.text('schema') !== SCHEMA) return
      for (const item of reader.objects('peers', MAX_PEERS)) {
        const peerId = item.text('peerId', 64)
        if (isPeerId(peerId)) this.#peers.set(item.text('name', 64), peerId)
      }
    } catch (error) {
      if (!ReachError.is(error)) throw error // a file that is damaged is as good as none
    }
  }
}
