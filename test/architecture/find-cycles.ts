import { importsOf, resolveRelative } from './module-imports.ts'
import type { SourceTree } from './source-tree.ts'

/**
 * Circles of files that import each other, each as `a → b → a`; at least one for each group of files that are caught
 * in circles. Type-only imports count: a circle of types is still two files that can't be understood apart.
 */
export function importCycles(tree: SourceTree): readonly string[] {
  const targets = new Map([...tree].map(([path, text]) => [path, relativeTargets(path, text, tree)]))
  const finished = new Set<string>()
  const trail: string[] = []
  const cycles: string[] = []
  const visit = (path: string): void => {
    const seenAt = trail.indexOf(path)
    if (seenAt >= 0) cycles.push([...trail.slice(seenAt), path].join(' → '))
    if (seenAt >= 0 || finished.has(path)) return
    trail.push(path)
    for (const target of targets.get(path) ?? []) visit(target)
    trail.pop()
    finished.add(path)
  }
  for (const path of tree.keys()) visit(path)
  return cycles
}

function relativeTargets(path: string, text: string, tree: SourceTree): readonly string[] {
  const targets = importsOf(path, text).flatMap(({ specifier }) =>
    specifier?.startsWith('.') === true ? [resolveRelative(path, specifier)] : [],
  )
  return [...new Set(targets)].filter((target) => tree.has(target))
}
