import { deadlineSignal } from '../base/deadline.ts'
import type { RelayStream } from '../base/relay-dialer.ts'
import type { Clock } from '../base/runtime.ts'
import { TRIAL_TICKET, encodeLegHead } from '../protocol/relay/data-leg.ts'

/** Ours: two round trips on a slow path; whoever swallows the first bytes of a leg never answers. */
const TRIAL_TIMEOUT_MS = 2000

/** True when a leg comes through and the relay's answer comes back. Never rejects. */
export async function legsPass(
  clock: Clock,
  open: (signal: AbortSignal) => Promise<RelayStream>,
): Promise<boolean> {
  using deadline = deadlineSignal(clock, TRIAL_TIMEOUT_MS)
  try {
    const { stream } = await open(deadline.signal)
    try {
      return await new Promise<boolean>((resolve) => {
        const onReadable = () => {
          if (stream.read() !== null) resolve(true)
        }
        stream.on('readable', onReadable)
        stream.once('end', () => resolve(false)).once('close', () => resolve(false))
        deadline.signal.addEventListener('abort', () => resolve(false), { once: true })
        stream.write(encodeLegHead(TRIAL_TICKET))
      })
    } finally {
      stream.destroy()
    }
  } catch {
    return false // for whatever reason: it does not come through
  }
}
