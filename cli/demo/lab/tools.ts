import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Where distributions keep `ip`, `nft` and their like. A user's PATH on Debian lacks the sbin folders. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'] as const

/**
 * Environment for the lab's own commands. System folders come first: under npm, PATH begins with node_modules/.bin, and
 * there is an npm package with a program `nft` (a file tracer, which exits with 0 whatever it is told).
 */
export function systemEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [...SYSTEM_FOLDERS, process.env.PATH].join(':') }
}

/** Environment for programs that users of the lab run: as given, system folders added to the end of PATH. */
export function programEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return { ...env, PATH: [env.PATH, ...SYSTEM_FOLDERS].filter((folder) => folder !== undefined).join(':') }
}

/** Path of one of the lab's own tools; undefined when it is not installed. */
export function findTool(name: string): string | undefined {
  const folders = (systemEnvironment().PATH ?? '').split(':')
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false // the only question is whether it can be run
  }
}
