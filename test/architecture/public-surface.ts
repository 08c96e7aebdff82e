import ts from 'typescript'

/** One name that the public door shows. */
export interface PublicName {
  readonly name: string
  /** Where it is declared, for the message. */
  readonly declaredIn: string
  readonly hasDocstring: boolean
}

/** The names that a module exports, re-exports followed to where they are declared. */
export function publicNames(
  entry: string,
  host?: ts.CompilerHost,
  options: ts.CompilerOptions = {},
): readonly PublicName[] {
  const program = ts.createProgram([entry], { ...COMPILER_OPTIONS, ...options }, host)
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(entry)
  const module = source === undefined ? undefined : checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`${entry} is not a module`)
  return checker.getExportsOfModule(module).map((exported) => {
    const symbol = isAlias(exported) ? checker.getAliasedSymbol(exported) : exported
    return {
      name: exported.getName(),
      declaredIn: symbol.declarations?.[0]?.getSourceFile().fileName ?? entry,
      hasDocstring: symbol.getDocumentationComment(checker).length > 0,
    }
  })
}

/** The names without a docstring, each with its file. */
export function undocumentedNames(names: readonly PublicName[]): readonly string[] {
  return names
    .filter(({ hasDocstring }) => !hasDocstring)
    .map(({ name, declaredIn }) => `${name} (${declaredIn}) has no docstring`)
}

/** The names that no page mentions as a word. */
export function unlistedNames(names: readonly PublicName[], pages: readonly string[]): readonly string[] {
  const words = new Set(pages.flatMap((page) => page.match(/[A-Za-z_$][\w$]*/g) ?? []))
  return names.map(({ name }) => name).filter((name) => !words.has(name))
}

/** Enough to find the declarations; the build is what checks types. */
const COMPILER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  allowImportingTsExtensions: true,
  noEmit: true,
  noLib: true,
  types: [],
}

function isAlias(symbol: ts.Symbol): boolean {
  return (symbol.flags & ts.SymbolFlags.Alias) !== 0
}
