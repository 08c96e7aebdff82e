import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A folder that only this user can enter, for sockets between processes of ours. Closing it removes it. */
export interface PrivateFolder extends AsyncDisposable {
  readonly path: string
  close(): Promise<void>
}

/** Makes one where the system keeps what is temporary: short enough a path for sockets. mkdtemp(3) makes it 0700. */
export async function privateFolder(): Promise<PrivateFolder> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-reach-'))
  const close = () => rm(path, { recursive: true, force: true })
  return { path, close, [Symbol.asyncDispose]: close }
}
