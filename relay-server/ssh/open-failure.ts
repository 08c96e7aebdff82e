import type { Connection } from 'ssh2'

/** Reasons of RFC 4254 §5.1. */
export const OPEN_FAILURE = { prohibited: 1, connectFailed: 2, unknownType: 3, shortage: 4 } as const

/** Why a channel is not opened. */
export interface OpenFailure {
  readonly reason: (typeof OPEN_FAILURE)[keyof typeof OPEN_FAILURE]
  /** For the person at the other end. */
  readonly text: string
}

/** Refuses a channel, given what ssh2 refuses it with. */
export type RefuseOpen = (reject: () => void, failure: OpenFailure) => void

/**
 * ssh2's server refuses channels with one reason and no text (1.17, `lib/server.js`). What it calls for that takes both:
 * they are put in between. Where a later version has no such method, the bare refusal is sent.
 */
export function openFailuresOf(client: Connection): RefuseOpen {
  let next: OpenFailure | undefined
  const protocol: unknown = Reflect.get(client, '_protocol')
  const send: unknown = isObject(protocol) ? Reflect.get(protocol, 'channelOpenFail') : undefined
  if (isObject(protocol) && typeof send === 'function') {
    const withText = (recipient: number, reason: number, text: string) => {
      const own = next
      next = undefined
      Reflect.apply(send, protocol, [recipient, own?.reason ?? reason, own?.text ?? text])
    }
    Reflect.set(protocol, 'channelOpenFail', withText)
  }
  return (reject, failure) => {
    next = failure
    reject()
    next = undefined
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
