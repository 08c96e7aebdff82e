import ts from 'typescript'
import type { SourceTree } from './source-tree.ts'

/** Globals that reach around Runtime, and what to use in their place. */
const IMPURE_GLOBALS: ReadonlyMap<string, string> = new Map([
  ...['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'].map(
    (name) => [name, 'timers come from runtime.clock'] as const,
  ),
  ['performance', 'time is an input (nowMs) or comes from runtime.clock'],
  ['crypto', 'randomness comes from runtime.random'],
  ['process', 'the programs know their process; the library is told'],
  ['console', 'the library prints nothing'],
  ['fetch', 'connections come from runtime.network'],
  ['WebSocket', 'connections come from runtime.network'],
  ['globalThis', 'it would hide the globals that are not allowed'],
  ['global', 'it would hide the globals that are not allowed'],
])

/** Members of globals that are otherwise harmless. */
const IMPURE_MEMBERS: ReadonlyMap<string, string> = new Map([
  ['Date.now', 'time is an input (nowMs) or comes from runtime.clock'],
  ['Math.random', 'randomness comes from runtime.random'],
  ['AbortSignal.timeout', 'it runs on the real clock; see lib/base/deadline.ts'],
])

/** True for files of the library that must get time, chance and the world from Runtime: all but lib/net. */
export function isPure(path: string): boolean {
  return path.startsWith('lib/') && !path.startsWith('lib/net/')
}

/** Every use of a global that the layers above and below lib/net must not know, one sentence each. */
export function globalViolations(tree: SourceTree): readonly string[] {
  return [...tree].filter(([path]) => isPure(path)).flatMap(([path, text]) => violationsIn(path, text))
}

function violationsIn(path: string, text: string): readonly string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const declared = declaredNames(file)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const complaint = complaintAbout(node, declared)
    if (complaint !== undefined) {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
      found.push(`${path}:${line}: ${complaint}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

function complaintAbout(node: ts.Node, declared: ReadonlySet<string>): string | undefined {
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const name = `${node.expression.text}.${node.name.text}`
    const why = IMPURE_MEMBERS.get(name)
    return why === undefined || declared.has(node.expression.text) ? undefined : `${name}: ${why}`
  }
  if (isCallOrNew(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Date') {
    const readsClock = ts.isCallExpression(node) || (node.arguments ?? []).length === 0
    return readsClock ? 'Date without arguments: time is an input or comes from runtime.clock' : undefined
  }
  if (!ts.isIdentifier(node) || !isReference(node) || declared.has(node.text)) return undefined
  const why = IMPURE_GLOBALS.get(node.text)
  return why === undefined ? undefined : `${node.text}: ${why}`
}

function isCallOrNew(node: ts.Node): node is ts.CallExpression | ts.NewExpression {
  return ts.isCallExpression(node) || ts.isNewExpression(node)
}

/** False for names that only look like the global: properties, members, parameters, labels, import and export lists. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent
  if (ts.isShorthandPropertyAssignment(parent)) return true
  if (ts.isQualifiedName(parent)) return parent.left === node
  if (ts.isImportSpecifier(parent) || ts.isExportSpecifier(parent)) return false
  if (ts.isBindingElement(parent)) return parent.initializer === node
  return !('name' in parent && parent.name === node)
}

/** Names that the file itself declares or imports anywhere: they are not the globals. eslint looks at scopes, too. */
function declaredNames(file: ts.SourceFile): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (node: ts.Node): void => {
    if (isDeclaration(node) && node.name !== undefined && ts.isIdentifier(node.name))
      names.add(node.name.text)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return names
}

function isDeclaration(node: ts.Node): node is ts.Node & { readonly name?: ts.Node } {
  return (
    ts.isVariableDeclaration(node) ||
    ts.isParameter(node) ||
    ts.isBindingElement(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isClassDeclaration(node) ||
    ts.isImportSpecifier(node) ||
    ts.isImportClause(node) ||
    ts.isNamespaceImport(node)
  )
}
