/** RFC 6887 §7.4. Codes beyond these stay numbers. */
export const PCP_RESULT = {
  success: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  malformedRequest: 3,
  unsupportedOpcode: 4,
  unsupportedOption: 5,
  malformedOption: 6,
  networkFailure: 7,
  noResources: 8,
  unsupportedProtocol: 9,
  userExceededQuota: 10,
  cannotProvideExternal: 11,
  addressMismatch: 12,
  excessiveRemotePeers: 13,
} as const

/** What the codes of RFC 6887 §7.4 mean, for people; index is the code. */
const MEANINGS = [
  'success',
  'it does not speak this version of PCP',
  'not allowed by its settings',
  'it could not read the request',
  'it does not know this kind of request',
  'it does not know an option that was asked for',
  'it could not read an option',
  'its own way out is down',
  'it has no room for more mappings',
  'it does not map this transport protocol',
  'this host has as many mappings as it may have',
  'the wanted port or address is not to be had',
  'the request came through another NAT or from another address',
  'too many remote peers in the filter',
] as const

/** What a result means, for people. */
export function pcpResultMeaning(resultCode: number): string {
  return MEANINGS[resultCode] ?? `result ${resultCode}`
}
