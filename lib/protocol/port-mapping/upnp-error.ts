/**
 * Error codes of UPnP Device Architecture 1.1 §3.2.2 (4xx to 604), WANIPConnection:2 §2.5 (606 to 733) and
 * WANIPv6FirewallControl:1 §2.6 (70x, which mean other things there). Codes beyond these stay numbers.
 */
export const UPNP_ERROR = {
  invalidAction: 401,
  invalidArgs: 402,
  actionFailed: 501,
  optionalActionNotImplemented: 602,
  actionNotAuthorized: 606,
  specifiedArrayIndexInvalid: 713,
  noSuchEntryInArray: 714,
  conflictInMappingEntry: 718,
  samePortValuesRequired: 724,
  onlyPermanentLeasesSupported: 725,
  remoteHostOnlySupportsWildcard: 726,
  externalPortOnlySupportsWildcard: 727,
  noPortMapsAvailable: 728,
  conflictWithOtherMechanisms: 729,
} as const

/** WANIPv6FirewallControl:1 §2.6. */
export const PINHOLE_ERROR = {
  firewallDisabled: 702,
  inboundPinholeNotAllowed: 703,
  noSuchEntry: 704,
  protocolNotSupported: 705,
} as const

const WORDS: Readonly<Record<number, string>> = {
  401: 'it has no such action',
  402: 'it does not like the arguments',
  501: 'it failed, and does not say why',
  602: 'it has no such action',
  606: 'it does not allow this port, or this host, to be mapped',
  714: 'there is no such mapping',
  718: 'the port belongs to somebody else',
  724: 'it maps ports to the same number only',
  725: 'it gives permanent mappings only',
  726: 'it maps for any remote host only',
  727: 'it maps all ports or none',
  728: 'its table is full',
  729: 'the port is taken by another mechanism',
}

/** A code in words for a person; the bare number where we know none. */
export function describeUpnpError(code: number): string {
  const words = WORDS[code]
  return words === undefined ? `error ${code}` : `${words} (error ${code})`
}
