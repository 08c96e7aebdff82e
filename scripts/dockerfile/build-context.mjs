import { cpSync, existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join, relative, sep } from 'node:path'

/** The folder that a build may copy from, less what its .dockerignore leaves out. */
export class BuildContext {
  #folder
  #rules

  constructor(folder) {
    this.#folder = folder
    const file = join(folder, '.dockerignore')
    this.#rules = existsSync(file) ? readRules(readFileSync(file, 'utf8')) : []
  }

  /** Copies a file, or what is in a folder, as COPY does. @throws when there is nothing of that name in the context */
  copy(source, target) {
    const from = join(this.#folder, source)
    if (!existsSync(from) || !this.#isIncluded(from))
      throw new Error(`COPY ${source}: not in the build context`)
    copyTree(from, target, (path) => this.#isIncluded(path))
  }

  /** The last rule that fits a path, or a folder above it, decides. */
  #isIncluded(path) {
    const parts = relative(this.#folder, path).split(sep)
    const ancestors = parts.map((_, index) => parts.slice(0, index + 1).join('/'))
    let isIncluded = true
    for (const { pattern, includes } of this.#rules) {
      if (ancestors.some((one) => pattern.test(one))) isIncluded = includes
    }
    return isIncluded
  }
}

/** A file keeps its name when the target is a folder; of a folder, what is in it is copied. */
export function copyTree(from, target, filter = () => true) {
  const isFile = statSync(from).isFile()
  const isIntoFolder = target.endsWith('/') || (existsSync(target) && statSync(target).isDirectory())
  const to = isFile && isIntoFolder ? join(target, basename(from)) : target
  cpSync(from, to, { recursive: true, verbatimSymlinks: true, filter })
}

function readRules(text) {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const includes = line.startsWith('!')
      const glob = (includes ? line.slice(1) : line).replace(/^\/|\/$/g, '')
      return { pattern: globPattern(glob), includes }
    })
}

function globPattern(glob) {
  if (/[?[\]\\]/.test(glob)) throw new Error(`.dockerignore: cannot read ${glob}`)
  const parts = glob.split('/').map((part) => {
    if (part === '**') return '.*'
    return part.replace(/[.+^${}()|]/g, '\\$&').replaceAll('*', '[^/]*')
  })
  return new RegExp(`^${parts.join('/')}$`)
}
