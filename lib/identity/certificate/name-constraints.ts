import type { AlternativeNames, ConstrainedNames, NameConstraints } from './extensions.ts'

/** RFC 5280 §4.2.1.6: directoryName is [4]. */
const DIRECTORY_NAME = 4

/**
 * Which name of a certificate breaks the constraints of a CA above it (RFC 5280 §4.2.1.10); undefined when none does.
 * DNS names and URIs are understood. A constraint on another type, or a name of another type under any constraint,
 * counts as broken: what is not understood must not pass.
 */
export function brokenConstraint(names: AlternativeNames, constraints: NameConstraints): string | undefined {
  const { permitted, excluded } = constraints
  const [strange] = names.otherTypes
  if (strange !== undefined) return `a name of type ${strange}, which the constraints do not cover`
  const [foreign] = permitted.otherTypes
  if (foreign !== undefined) return `a constraint on names of type ${foreign}, which is not understood`
  // Every certificate has a name of this type, its subject; of other types there are none left to exclude here.
  if (excluded.otherTypes.includes(DIRECTORY_NAME)) return 'a constraint on subjects, which is not understood'
  for (const name of names.dns) {
    if (!isAllowed(name, permitted.dns, excluded.dns, isInDnsTree)) return name
  }
  for (const uri of names.uris) {
    const host = hostOf(uri)
    const isConstrained = permitted.uris.length + excluded.uris.length > 0
    // RFC 5280: a URI without a host name can't be shown to satisfy a constraint.
    if (isConstrained && host === undefined) return uri
    if (!isAllowed(host ?? '', permitted.uris, excluded.uris, isInUriTree)) return uri
  }
  return undefined
}

/** True when names of this network domain, and of peers in it, satisfy the constraints. */
export function permitsDomain(constraints: NameConstraints, domain: string): boolean {
  const host = `name.${domain}`
  return (
    brokenConstraint({ dns: [host], uris: [`p2p-reach://${host}/peer`], otherTypes: [] }, constraints) ===
    undefined
  )
}

/** The only DNS subtree that is permitted, if there is just one: where a network's names may stand. */
export function onlyDnsTree(permitted: ConstrainedNames): string | undefined {
  const [first, ...others] = permitted.dns
  return others.length > 0 ? undefined : first?.replace(/^\./, '')
}

function isAllowed(
  name: string,
  permitted: readonly string[],
  excluded: readonly string[],
  isIn: (name: string, tree: string) => boolean,
): boolean {
  if (excluded.some((tree) => isIn(name, tree.toLowerCase()))) return false
  return permitted.length === 0 || permitted.some((tree) => isIn(name, tree.toLowerCase()))
}

/** Adding labels to the left satisfies a DNS constraint. A leading dot, which OpenSSL takes, wants at least one. */
function isInDnsTree(name: string, tree: string): boolean {
  if (tree === '') return true
  return tree.startsWith('.') ? name.endsWith(tree) : name === tree || name.endsWith(`.${tree}`)
}

/** A URI constraint with a leading dot means all hosts below, one without means that very host. */
function isInUriTree(host: string, tree: string): boolean {
  return tree.startsWith('.') ? host.endsWith(tree) : host === tree
}

function hostOf(uri: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:[\]@]+)(?::[0-9]*)?(?:[/?#]|$)/i
    .exec(uri)?.[1]
    ?.toLowerCase()
}
