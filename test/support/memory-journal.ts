import type { Journal } from '../../lib/portmap/mapping-journal.ts'
import type { MappingGrant } from '../../lib/protocol/port-mapping/mapping.ts'

/** A journal that is no file: what it holds can be looked at, and left behind as by a crash. */
export class MemoryJournal implements Journal {
  readonly notes = new Map<string, readonly MappingGrant[]>()
  /** What another process, one that is gone, has left. */
  leftBehind: MappingGrant[] = []
  /** Keys of another process that is alive. */
  readonly heldElsewhere = new Set<string>()
  /** What each write fails with. */
  failure: Error | undefined

  record(key: string, grants: readonly MappingGrant[]): Promise<void> {
    if (this.failure !== undefined) return Promise.reject(this.failure)
    if (grants.length === 0) this.notes.delete(key)
    else this.notes.set(key, grants)
    return Promise.resolve()
  }

  isHeldElsewhere(key: string): Promise<boolean> {
    return Promise.resolve(this.heldElsewhere.has(key))
  }

  async adopt(remove: (grant: MappingGrant) => Promise<boolean>): Promise<void> {
    const left: MappingGrant[] = []
    for (const grant of this.leftBehind) if (!(await remove(grant))) left.push(grant)
    this.leftBehind = left
  }
}
