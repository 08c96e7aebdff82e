import type { DirectReport, PathState } from '../../lib/index.ts'
import { Peer } from '../../lib/index.ts'
import { proxyEnvironment } from '../network-access.ts'
import { printable } from '../render/printable.ts'
import { directFields, pathFields, pathText, whyLines } from './peer-talk.ts'

/** How a member is reached, once a direct path was found or given up. */
export interface WayToPeer {
  readonly name: string
  readonly path: PathState | undefined
  readonly direct: DirectReport | undefined
}

/** Ours: a search for a path takes half a minute where everything has to be tried. */
const SEARCH_MS = 45_000

/** Connects to a member and waits until its way is known. @throws {ReachError} why it can't be reached */
export async function lookFor(home: string, name: string, signal: AbortSignal): Promise<WayToPeer> {
  const decided = new AbortController()
  await using peer = await Peer.open({
    home,
    env: proxyEnvironment(),
    onEvent: (event) => {
      if (event.kind === 'direct') decided.abort()
    },
  })
  const session = peer.session(name)
  await session.open(signal)
  const end = AbortSignal.any([decided.signal, signal, AbortSignal.timeout(SEARCH_MS)])
  if (!end.aborted) await new Promise((resolve) => end.addEventListener('abort', resolve, { once: true }))
  signal.throwIfAborted()
  const [path] = session.currentPaths
  return { name, path, direct: session.direct }
}

/** For the JSON report. */
export function wayJson({ name, path, direct }: WayToPeer): Readonly<Record<string, unknown>> {
  return {
    name,
    path: path === undefined ? null : pathFields(path),
    direct: direct === undefined ? null : directFields(direct),
  }
}

/** For a person. */
export function wayLines({ name, path, direct }: WayToPeer): readonly string[] {
  const by = path === undefined ? 'not reached' : `by ${pathText(path)}`
  const head = `To ${printable(name)}: ${by}`
  return [head, ...(direct === undefined ? [] : whyLines(direct).map((line) => `  ${line}`))]
}
