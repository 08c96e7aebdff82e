import type { ReachError } from '../base/errors.ts'

/** News of a membership that is kept. */
export type MembershipEvent =
  | { readonly kind: 'connected'; readonly relay: string }
  | { readonly kind: 'disconnected'; readonly error: ReachError; readonly retryInMs: number }
  | { readonly kind: 'renewed'; readonly notAfterMs: number }
  | { readonly kind: 'renewal-failed'; readonly error: ReachError }
  | { readonly kind: 'deny-list'; readonly number: number; readonly keys: number }
  | { readonly kind: 'root-set'; readonly number: number; readonly roots: number }
