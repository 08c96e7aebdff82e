import type { ReachError } from '../../base/errors.ts'
import type { MappingGrant } from './mapping.ts'
import type { MappingProof } from './mapping-proof.ts'

/** What came of a mapping that was made only to see whether it works, and was removed again. */
export type MappingTrial =
  | {
      readonly kind: 'granted'
      readonly grant: MappingGrant
      /** Undefined when there was nobody to ask. */
      readonly proof: MappingProof | undefined
    }
  /** ERR_REACH_NO_GATEWAY, ERR_REACH_MAPPING_REFUSED, ERR_REACH_TIMEOUT. */
  | { readonly kind: 'refused'; readonly error: ReachError }
