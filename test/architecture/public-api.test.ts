import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import ts from 'typescript'
import { publicNames, undocumentedNames, unlistedNames, type PublicName } from './public-surface.ts'
import { readRepositoryFile, REPOSITORY } from './source-tree.ts'

const DOOR = 'lib/index.ts'

test('every public name has a docstring, and the CHANGELOG or a page of docs lists it', (t) => {
  const names = publicNames(join(REPOSITORY, DOOR))
  t.true(names.length > 0)
  t.deepEqual(undocumentedNames(names), [])
  t.deepEqual(unlistedNames(names, pages()), [])
})

test('a name without a docstring is found through a re-export, and a documented one is not', (t) => {
  const names = namesOf({
    '/index.ts':
      "export { bare, described } from './words.ts'\nexport type { Shape as Form } from './words.ts'",
    '/words.ts': [
      'export const bare = 1',
      '/** Says something. */ export function described(): void {}',
      '/** Has a form. */ export interface Shape { readonly x: number }',
      'export const hidden = 2',
    ].join('\n'),
  })
  t.deepEqual(
    names.map(({ name }) => name),
    ['bare', 'described', 'Form'],
  )
  t.deepEqual(undocumentedNames(names), ['bare (/words.ts) has no docstring'])
})

test('a name that no page mentions as a whole word is found', (t) => {
  const names = namesOf({ '/index.ts': 'export const diagnose = 1\nexport const relay = 2' })
  t.deepEqual(unlistedNames(names, ['`diagnose()` and `relayed`']), ['relay'])
})

function pages(): readonly string[] {
  const docs = readdirSync(join(REPOSITORY, 'docs')).filter((name) => name.endsWith('.md'))
  return ['CHANGELOG.md', ...docs.map((name) => `docs/${name}`)].map((path) => readRepositoryFile(path) ?? '')
}

/** The public names of `/index.ts` among files that exist only here. */
function namesOf(files: Readonly<Record<string, string>>): readonly PublicName[] {
  const host: ts.CompilerHost = {
    fileExists: (path) => path in files,
    readFile: (path) => files[path],
    getSourceFile: (path, languageVersion) => {
      const text = files[path]
      return text === undefined ? undefined : ts.createSourceFile(path, text, languageVersion, true)
    },
    getDefaultLibFileName: () => '/lib.d.ts',
    writeFile: () => undefined,
    getCurrentDirectory: () => '/',
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
  }
  return publicNames('/index.ts', host)
}
