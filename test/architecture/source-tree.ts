import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Source text by path from the repository's root, with `/` on every system. Tests make small ones by hand. */
export type SourceTree = ReadonlyMap<string, string>

/** The repository's root: the nearest folder above this file that holds a package.json. */
export const REPOSITORY = findRepository(import.meta.dirname)

/** All TypeScript files below the given folders of the repository; a folder that does not exist yet has none. */
export function readSourceTree(folders: readonly string[]): SourceTree {
  const tree = new Map<string, string>()
  for (const folder of folders) {
    const absolute = join(REPOSITORY, folder)
    if (!existsSync(absolute)) continue
    for (const name of readdirSync(absolute, { recursive: true, encoding: 'utf8' })) {
      if (name.endsWith('.ts'))
        tree.set(`${folder}/${name.replaceAll('\\', '/')}`, readText(join(absolute, name)))
    }
  }
  return tree
}

/** The text of a file of the repository; undefined when there is no such file. */
export function readRepositoryFile(path: string): string | undefined {
  const absolute = join(REPOSITORY, path)
  return existsSync(absolute) ? readText(absolute) : undefined
}

function readText(absolute: string): string {
  return readFileSync(absolute, 'utf8')
}

function findRepository(start: string): string {
  if (existsSync(join(start, 'package.json'))) return start
  const parent = dirname(start)
  if (parent === start) throw new Error('no package.json above the tests')
  return findRepository(parent)
}
