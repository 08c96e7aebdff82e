import { builtinModules } from 'node:module'
import { importsOf, resolveRelative, type ModuleImport } from './module-imports.ts'
import {
  BUILTIN_RULES,
  LAYER_EXCEPTIONS,
  LAYER_RULES,
  PACKAGE_RULES,
  placeOf,
  RANDOM_LAYERS,
  RANDOM_NAMES,
  type BuiltinRule,
  type LayerException,
  type Place,
} from './layers.ts'
import type { SourceTree } from './source-tree.ts'

/** The lists that a check goes by; tests of the checker bring their own. */
export interface ImportRules {
  readonly exceptions: readonly LayerException[]
  readonly builtins: readonly BuiltinRule[]
  readonly packages: readonly BuiltinRule[]
}

const HOUSE_RULES: ImportRules = {
  exceptions: LAYER_EXCEPTIONS,
  builtins: BUILTIN_RULES,
  packages: PACKAGE_RULES,
}

/** Every import that goes against the layers, one sentence each: file, line, what, and why not. */
export function importViolations(tree: SourceTree, rules: ImportRules = HOUSE_RULES): readonly string[] {
  const found: string[] = []
  for (const [path, text] of tree) {
    const place = placeOf(path)
    if (place === undefined) {
      found.push(`${path}: belongs to no layer; see test/architecture/layers.ts`)
      continue
    }
    for (const seen of importsOf(path, text)) {
      const complaint = complaintAbout(seen, { path, place, tree, rules })
      if (complaint !== undefined) found.push(`${path}:${seen.line}: ${complaint}`)
    }
  }
  return found
}

/** Exceptions that no import needs: they would silently allow the next one. */
export function unusedExceptions(tree: SourceTree, rules: ImportRules = HOUSE_RULES): readonly string[] {
  const sources = [...tree.keys()]
  return rules.exceptions
    .filter((exception) => !sources.some((path) => importsThrough(tree, path, exception)))
    .map(({ from, to }) => `nothing in ${from} imports ${to} any more`)
}

interface Context {
  readonly path: string
  readonly place: Place
  readonly tree: SourceTree
  readonly rules: ImportRules
}

function complaintAbout(seen: ModuleImport, context: Context): string | undefined {
  const { specifier } = seen
  if (specifier === undefined) return 'a module is named at run time; nobody can check that'
  if (specifier.startsWith('.')) return relativeComplaint(specifier, context)
  if (builtinModules.includes(specifier)) return `write node:${specifier}`
  return moduleComplaint(specifier, seen, context)
}

function relativeComplaint(specifier: string, { path, place, tree, rules }: Context): string | undefined {
  const target = resolveRelative(path, specifier)
  if (!tree.has(target)) return `${specifier} is no source file of lib, relay-server or cli`
  const to = placeOf(target)
  if (to === undefined) return `${target} belongs to no layer`
  if (to.folder === place.folder) return undefined
  if (LAYER_RULES[place.layer].mayImport.includes(to.layer)) return undefined
  if (rules.exceptions.some((exception) => isCovered(path, exception.from) && exception.to === target)) {
    return undefined
  }
  return `${nameOf(place)} may not import ${nameOf(to)} (${target}): ${LAYER_RULES[place.layer].why}`
}

function moduleComplaint(specifier: string, seen: ModuleImport, context: Context): string | undefined {
  const { layer } = context.place
  const rules = specifier.startsWith('node:') ? context.rules.builtins : context.rules.packages
  const about = rules.filter((rule) => rule.modules.includes(specifier))
  const mine = about.filter((rule) => rule.layers.includes(layer))
  if (mine.length === 0) {
    const reasons = about.map((rule) => `${rule.layers.join(', ')}: ${rule.why}`)
    return `${layer} may not import ${specifier} (${reasons.join('; ') || 'no rule allows it to anybody'})`
  }
  if (!seen.isTypeOnly && mine.every((rule) => rule.typesOnly === true)) {
    return `${layer} may only 'import type' from ${specifier}`
  }
  return specifier === 'node:crypto' ? randomComplaint(seen, context) : undefined
}

/** Takes the names one by one, so that the draw of a random number can't hide in a namespace import. */
function randomComplaint(seen: ModuleImport, { place }: Context): string | undefined {
  if (RANDOM_LAYERS.includes(place.layer) || seen.isTypeOnly) return undefined
  if (seen.names.includes('*') || seen.names.includes('default')) return 'import from node:crypto by name'
  const random = seen.names.find((name) => RANDOM_NAMES.includes(name))
  return random === undefined ? undefined : `${random}: randomness comes from runtime.random`
}

function importsThrough(tree: SourceTree, path: string, exception: LayerException): boolean {
  if (!isCovered(path, exception.from)) return false
  return importsOf(path, tree.get(path) ?? '').some(
    ({ specifier }) =>
      specifier?.startsWith('.') === true && resolveRelative(path, specifier) === exception.to,
  )
}

function isCovered(path: string, pattern: string): boolean {
  return pattern.endsWith('/') ? path.startsWith(pattern) : path === pattern
}

function nameOf({ layer, folder }: Place): string {
  return layer === 'feature' ? `the feature ${folder}` : layer
}
