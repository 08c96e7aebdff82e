import { ReachError } from '../base/errors.ts'
import type { ControlClient } from './control-client.ts'
import type { MembershipEvent } from './membership-event.ts'
import type { Membership } from './membership.ts'

/** Whom to tell of news. */
export interface PushListeners {
  readonly onEvent: ((event: MembershipEvent) => void) | undefined
  /** The network has other roots. */
  readonly onRoots: () => void
}

/** From now on, believes and stores the deny lists and roots that this relay sends, and tells it so. */
export function takePushes(
  membership: Membership,
  client: ControlClient,
  { onEvent, onRoots }: PushListeners,
): void {
  client.watch((reply) => {
    membership.takePush(reply).then(
      (isNews) => {
        if (!isNews) return
        client.tell({ type: 'report', ...membership.report })
        if (reply.type === 'root-set') onRoots()
        onEvent?.(newsOf(membership, reply.type === 'root-set'))
      },
      (error: unknown) => {
        // A relay may lag behind another: what it says is no news. A full disk: another connection, another try.
        if (!ReachError.is(error, 'ERR_REACH_STATEMENT')) client.close()
      },
    )
  })
}

function newsOf(membership: Membership, isRoots: boolean): MembershipEvent {
  const { rootSet, denyList } = membership.trust
  if (isRoots) return { kind: 'root-set', number: rootSet.number, roots: rootSet.roots.length }
  return { kind: 'deny-list', number: denyList?.number ?? 0, keys: denyList?.keys.length ?? 0 }
}
