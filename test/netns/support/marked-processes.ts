import { readdir, readFile, readlink } from 'node:fs/promises'

/** Environment variable that a test gives to a process, and that all its descendants inherit. */
export const MARK = 'P2P_REACH_TEST_MARK'

export interface MarkedProcess {
  readonly pid: number
  /** Of its network namespace, as lsns(8) prints it. */
  readonly namespace: string
}

/** The processes that descend from one started with this mark and still live, wherever they were adopted. */
export async function markedProcesses(mark: string): Promise<readonly MarkedProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(pids.map((pid) => inspect(pid, mark)))
  return found.filter((process) => process !== undefined)
}

async function inspect(pid: string, mark: string): Promise<MarkedProcess | undefined> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8')
    if (!environment.split('\0').includes(`${MARK}=${mark}`)) return undefined
    const link = await readlink(`/proc/${pid}/ns/net`)
    return { pid: Number(pid), namespace: link.replace(/\D/g, '') }
  } catch {
    return undefined // it ended meanwhile, or is somebody else's
  }
}
