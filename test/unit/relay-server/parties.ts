import { generateKeyPair } from '../../../lib/identity/keys/key-pair.ts'
import type { MemberConnection, Party } from '../../../relay-server/data/presence.ts'

/** A connection that notes what it is told. */
export class FakeConnection implements MemberConnection {
  readonly told: string[] = []

  push(message: Parameters<MemberConnection['push']>[0]): void {
    this.told.push(message.type)
  }
}

/** A member of that name, with a key of its own, on a connection of its own. */
export function aParty(name: string | undefined): Party & { readonly connection: FakeConnection } {
  const { peerId } = generateKeyPair()
  const identity = { peerId, by: 'network', name, roles: ['peer'], keys: [peerId] } as const
  return { connection: new FakeConnection(), identity }
}

/** The same member on another connection. */
export function elsewhere({ identity }: Party): Party & { readonly connection: FakeConnection } {
  return { connection: new FakeConnection(), identity }
}
