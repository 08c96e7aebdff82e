import { posix } from 'node:path'
import ts from 'typescript'

/** One import, re-export, `import()` or import type of a file. */
export interface ModuleImport {
  /** As written: `./x.ts`, `node:net`, `ava`. Undefined when it is computed at run time. */
  readonly specifier: string | undefined
  /** The names taken from the module; `*` for all of it, `default` for its default export. */
  readonly names: readonly string[]
  /** True when the compiler erases it. */
  readonly isTypeOnly: boolean
  readonly line: number
}

/** Every way in which a file names another module. */
export function importsOf(path: string, text: string): readonly ModuleImport[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
  const found: ModuleImport[] = []
  const visit = (node: ts.Node): void => {
    const seen = importAt(node)
    if (seen !== undefined) {
      const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1
      found.push({ ...seen, line })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** The path that a relative specifier means, from the repository's root. */
export function resolveRelative(fromPath: string, specifier: string): string {
  return posix.join(posix.dirname(fromPath), specifier)
}

function importAt(node: ts.Node): Omit<ModuleImport, 'line'> | undefined {
  if (ts.isImportDeclaration(node)) {
    const isTypeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
    return { specifier: literal(node.moduleSpecifier), names: importedNames(node.importClause), isTypeOnly }
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return {
      specifier: literal(node.moduleSpecifier),
      names: exportedNames(node.exportClause),
      isTypeOnly: node.isTypeOnly,
    }
  }
  if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
    return { specifier: literal(node.moduleReference.expression), names: ['*'], isTypeOnly: node.isTypeOnly }
  }
  if (ts.isImportTypeNode(node)) {
    const argument = node.argument
    const specifier = ts.isLiteralTypeNode(argument) ? literal(argument.literal) : undefined
    return { specifier, names: ['*'], isTypeOnly: true }
  }
  if (ts.isCallExpression(node) && isModuleCall(node.expression)) {
    return { specifier: literal(node.arguments[0]), names: ['*'], isTypeOnly: false }
  }
  return undefined
}

/** `import(…)`, `require(…)` and `process.getBuiltinModule(…)`. */
function isModuleCall(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true
  if (ts.isIdentifier(callee)) return callee.text === 'require'
  return ts.isPropertyAccessExpression(callee) && callee.name.text === 'getBuiltinModule'
}

function importedNames(clause: ts.ImportClause | undefined): readonly string[] {
  const bindings = clause?.namedBindings
  const named =
    bindings === undefined
      ? []
      : ts.isNamespaceImport(bindings)
        ? ['*']
        : bindings.elements.map((element) => (element.propertyName ?? element.name).text)
  return clause?.name === undefined ? named : ['default', ...named]
}

function exportedNames(clause: ts.NamedExportBindings | undefined): readonly string[] {
  if (clause === undefined || ts.isNamespaceExport(clause)) return ['*']
  return clause.elements.map((element) => (element.propertyName ?? element.name).text)
}

function literal(node: ts.Node | undefined): string | undefined {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined
}
