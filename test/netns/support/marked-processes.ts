import { execFile } from 'node:child_process'
import { open, readdir, readFile, type FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'

/** Environment variable that a test gives to a process, and that all its descendants inherit. */
export const MARK = 'P2P_REACH_TEST_MARK'

/** Ids of the processes that descend from one started with this mark and still live, wherever they were adopted. */
export async function markedProcesses(mark: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const isMarked = await Promise.all(pids.map((pid) => carries(pid, mark)))
  return pids.filter((_, index) => isMarked[index])
}

async function carries(pid: string, mark: string): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    return environment.split('\0').includes(`${MARK}=${mark}`)
  } catch {
    return false // it ended meanwhile, or is somebody else's
  }
}

/**
 * The network namespaces of these processes, held open: their inode numbers, by which lsns(8) names them, are given to
 * nobody else until they are closed.
 */
export class HeldNamespaces implements AsyncDisposable {
  readonly #handles: readonly FileHandle[]
  readonly inodes: ReadonlySet<string>

  private constructor(handles: readonly FileHandle[], inodes: ReadonlySet<string>) {
    this.#handles = handles
    this.inodes = inodes
  }

  static async of(pids: readonly string[]): Promise<HeldNamespaces> {
    // A process that has ended meanwhile has no namespace to hold.
    const opened = await Promise.all(pids.map((pid) => open(`/proc/${pid}/ns/net`).catch(() => undefined)))
    const handles = opened.filter((handle) => handle !== undefined)
    const stats = await Promise.all(handles.map((handle) => handle.stat({ bigint: true })))
    return new HeldNamespaces(handles, new Set(stats.map(({ ino }) => String(ino))))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((handle) => handle.close()))
  }
}

/** Inode numbers of all network namespaces in which a process lives, by lsns(8). */
export async function inhabitedNamespaces(): Promise<ReadonlySet<string>> {
  const columns = ['--type', 'net', '--noheadings', '--output', 'NS,NPROCS']
  const { stdout } = await promisify(execFile)('lsns', columns)
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
  return new Set(rows.filter(([, processes]) => processes !== '0').map(([inode = '']) => inode))
}
