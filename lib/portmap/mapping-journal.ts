import { join } from 'node:path'
import { ReachError } from '../base/errors.ts'
import { toHex } from '../base/hex.ts'
import type { Runtime } from '../base/runtime.ts'
import { writeFileAtomically } from '../identity/files/atomic-file.ts'
import { listFolder, removeFile } from '../identity/files/folder.ts'
import { readTextFile } from '../identity/files/read-file.ts'
import type { LocalServer } from '../net/local-socket.ts'
import { connectLocal, listenLocal } from '../net/local-socket.ts'
import type { MappingGrant } from '../protocol/port-mapping/mapping.ts'
import type { JournalEntry } from './journal-format.ts'
import { formatJournal, parseJournal } from './journal-format.ts'

/** Where it is noted what may be at gateways, so that nothing is left there by a crash. */
export interface Journal {
  /**
   * Notes what is, or may be, at gateways under this key, in place of what was noted before; resolves when it is on the
   * disk. Nothing: forgets the key.
   * @throws {ReachError} ERR_REACH_FILE
   */
  record(key: string, grants: readonly MappingGrant[]): Promise<void>
  /** True when another process with this home, one that is alive, has something under this key. @throws ERR_REACH_FILE */
  isHeldElsewhere(key: string): Promise<boolean>
  /**
   * Hands out what processes that are gone have left; what `remove` answers false for stays noted until it expires.
   * @throws {ReachError} ERR_REACH_FILE, and what `remove` throws: then nothing is forgotten
   */
  adopt(remove: (grant: MappingGrant) => Promise<boolean>): Promise<void>
}

/** In the home folder. */
const FOLDER = 'port-mappings'
/** Ours: a permanent mapping (UPnP's lifetime 0) that could not be removed for so long is given up. */
const PERMANENT_DAYS = 30
const DAY_S = 86_400

/**
 * What a process has at gateways, in a file of its own, written before anything is asked for. The file's owner listens on
 * a socket beside it: the kernel closes that when the process ends in whatever way, so a journal that nobody listens
 * for was left by a crash. Whoever finds it takes the socket first, which only one can.
 */
export class MappingJournal implements Journal, AsyncDisposable {
  readonly #folder: string
  readonly #name: string
  readonly #runtime: Runtime
  readonly #entries = new Map<string, readonly JournalEntry[]>()
  #lock: Promise<LocalServer> | undefined
  #writing: Promise<void> = Promise.resolve()

  /** Nothing is written before there is something to note. */
  constructor(home: string, runtime: Runtime) {
    this.#folder = join(home, FOLDER)
    this.#runtime = runtime
    this.#name = toHex(runtime.random.bytes(8))
  }

  async record(key: string, grants: readonly MappingGrant[]): Promise<void> {
    const wallMs = this.#runtime.clock.wallMs()
    if (grants.length === 0) this.#entries.delete(key)
    else
      this.#entries.set(
        key,
        grants.map((grant) => entryOf(key, grant, wallMs)),
      )
    await this.#write()
  }

  async isHeldElsewhere(key: string): Promise<boolean> {
    for (const name of await this.#others()) {
      const entries = await this.#read(name)
      if (entries.some((entry) => entry.key === key) && (await this.#isAlive(name))) return true
    }
    return false
  }

  async adopt(remove: (grant: MappingGrant) => Promise<boolean>): Promise<void> {
    for (const name of await this.#others()) {
      const lock = await this.#take(name)
      if (lock === undefined) continue
      try {
        await this.#settle(name, remove)
      } finally {
        await lock.close()
      }
    }
  }

  /** Removes the file, unless something is still noted, and lets others take it. Idempotent. @throws ERR_REACH_FILE */
  async close(): Promise<void> {
    await this.#writing.catch(() => undefined) // who wrote was told
    const lock = this.#lock
    this.#lock = undefined
    if (lock === undefined) return
    if (this.#entries.size === 0) await removeFile(this.#path(this.#name))
    await (await lock).close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #settle(name: string, remove: (grant: MappingGrant) => Promise<boolean>): Promise<void> {
    const entries = await this.#read(name)
    const outcomes = await Promise.all(
      entries.map(async (entry) => {
        if (entry.expiresAtMs <= this.#runtime.clock.wallMs()) return []
        return (await remove(entry.grant)) ? [] : [entry]
      }),
    )
    const left = outcomes.flat()
    if (left.length === 0) await removeFile(this.#path(name))
    else await writeFileAtomically(this.#path(name), formatJournal(left))
  }

  /** Each write holds all that is known when it begins; they come one after the other. */
  #write(): Promise<void> {
    const write = async () => {
      await this.#hold()
      await writeFileAtomically(this.#path(this.#name), formatJournal([...this.#entries.values()].flat()))
    }
    this.#writing = this.#writing.then(write, write)
    return this.#writing
  }

  async #hold(): Promise<void> {
    try {
      await (this.#lock ??= this.#listen(this.#name))
    } catch (error) {
      this.#lock = undefined
      throw error
    }
  }

  /** What is damaged is as good as empty: gateways forget mappings by themselves. */
  async #read(name: string): Promise<readonly JournalEntry[]> {
    const text = await readTextFile(this.#path(name))
    try {
      return text === undefined ? [] : parseJournal(text)
    } catch (error) {
      if (!ReachError.is(error)) throw error
      return []
    }
  }

  async #others(): Promise<readonly string[]> {
    const names = (await listFolder(this.#folder)).flatMap((file) => JOURNAL_NAME.exec(file)?.[1] ?? [])
    return names.filter((name) => name !== this.#name)
  }

  async #isAlive(name: string): Promise<boolean> {
    const socket = await connectLocal(this.#socketPath(name))
    socket?.destroy()
    return socket !== undefined
  }

  /** Undefined when its owner lives, or another process is at it. */
  async #take(name: string): Promise<LocalServer | undefined> {
    try {
      return await this.#listen(name)
    } catch (error) {
      if (ReachError.is(error, 'ERR_REACH_ADDRESS_IN_USE')) return undefined
      throw error
    }
  }

  #listen(name: string): Promise<LocalServer> {
    return listenLocal(this.#socketPath(name), (socket) => socket.end())
  }

  #path(name: string): string {
    return join(this.#folder, `${name}.json`)
  }

  #socketPath(name: string): string {
    return join(this.#folder, `${name}.sock`)
  }
}

const JOURNAL_NAME = /^([0-9a-f]{16})\.json$/

function entryOf(key: string, grant: MappingGrant, wallMs: number): JournalEntry {
  const lifetimeS = grant.lifetimeS === 0 ? PERMANENT_DAYS * DAY_S : grant.lifetimeS
  return { key, expiresAtMs: Math.ceil(wallMs) + lifetimeS * 1_000, grant }
}
