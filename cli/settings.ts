import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ReachError } from '../lib/index.ts'

/** How one setting is given: as a flag, an environment variable, or a key of the config file, in that order. */
export interface SettingSpec {
  /** `flag`: on or off. `list`: may be repeated; commas separate in the environment. */
  readonly kind: 'flag' | 'text' | 'list'
  /** Only as a flag: things that make no sense to keep, such as `--json`. */
  readonly flagOnly?: boolean
}

export type SettingSpecs = Readonly<Record<string, SettingSpec>>

/** Values by setting name; absent ones were given nowhere. */
export interface Settings {
  flag(name: string): boolean
  text(name: string): string | undefined
  list(name: string): readonly string[]
  /** What stands after the flags. */
  readonly positionals: readonly string[]
  /** The folder for keys and state. */
  readonly home: string
  /** What to append to a command that shall use the same folder: nothing when it is the default. */
  readonly homeArgument: string
}

export type Environment = Readonly<Record<string, string | undefined>>

const COMMON: SettingSpecs = {
  home: { kind: 'text' },
  config: { kind: 'text', flagOnly: true },
  help: { kind: 'flag', flagOnly: true },
}

type Value = boolean | string | readonly string[]

function isList(value: Value | undefined): value is readonly string[] {
  return Array.isArray(value)
}

/**
 * Reads a command's settings. Unknown flags and unknown config keys are errors; so are wrong kinds.
 * @param section the command's key in the config file: `{ "diagnose": { "stun": ["…"] }, "home": "…" }`
 * @throws {ReachError} ERR_REACH_USAGE, ERR_REACH_CONFIG
 */
export function readSettings(
  section: string,
  own: SettingSpecs,
  argv: readonly string[],
  env: Environment,
): Settings {
  const specs = { ...COMMON, ...own }
  const { values, positionals } = parseFlags(section, specs, argv)
  const fromFile = readConfig(
    section,
    specs,
    values.get('config'),
    values.get('home') ?? env[variableOf('home')],
    env,
  )
  const resolve = (name: string): Value | undefined =>
    values.get(name) ?? fromEnvironment(name, specs[name], env) ?? fromFile.get(name)
  const text = (name: string) => {
    const value = resolve(name)
    return typeof value === 'string' ? value : undefined
  }
  return {
    flag: (name) => resolve(name) === true,
    text,
    list: (name) => {
      const value = resolve(name)
      return isList(value) ? value : []
    },
    positionals,
    home: text('home') ?? defaultHome(env),
    homeArgument: text('home') === undefined ? '' : ` --home ${shellWord(text('home') ?? '')}`,
  }
}

/** A text as one word for a shell. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

/** `P2P_REACH_TLS_CERT` for `tls-cert`. */
export function variableOf(name: string): string {
  return `P2P_REACH_${name.toUpperCase().replaceAll('-', '_')}`
}

function parseFlags(
  section: string,
  specs: SettingSpecs,
  argv: readonly string[],
): { readonly values: ReadonlyMap<string, Value>; readonly positionals: readonly string[] } {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { kind }]) => [
      name,
      { type: kind === 'flag' ? ('boolean' as const) : ('string' as const), multiple: kind === 'list' },
    ]),
  )
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options,
      allowPositionals: true,
      strict: true,
    })
    const entries = Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, Array.isArray(value) ? value.map(String) : value] as const],
    )
    return { values: new Map(entries), positionals }
  } catch (error) {
    throw usageError(section, error, argv)
  }
}

function usageError(section: string, error: unknown, argv: readonly string[]): ReachError {
  const message = error instanceof Error ? (error.message.split('. ')[0] ?? error.message) : String(error)
  const said = message.charAt(0).toLowerCase() + message.slice(1)
  const command = section.replace('-', ' ')
  return new ReachError('ERR_REACH_USAGE', said, {
    cause: error,
    hint: `see  p2p-reach ${command} --help`,
    details: { argv: argv.length },
  })
}

function fromEnvironment(name: string, spec: SettingSpec | undefined, env: Environment): Value | undefined {
  const text = env[variableOf(name)]
  if (text === undefined || text === '' || spec === undefined || spec.flagOnly === true) return undefined
  switch (spec.kind) {
    case 'flag':
      if (text === '1' || text === 'true') return true
      if (text === '0' || text === 'false') return false
      throw new ReachError('ERR_REACH_CONFIG', `${variableOf(name)} is ${JSON.stringify(text)}`, {
        hint: 'write 1 or 0',
      })
    case 'list':
      return text.split(',').map((part) => part.trim())
    case 'text':
      return text
  }
}

function readConfig(
  section: string,
  specs: SettingSpecs,
  chosen: Value | undefined,
  home: Value | undefined,
  env: Environment,
): ReadonlyMap<string, Value> {
  const folder = typeof home === 'string' && home !== '' ? home : defaultHome(env)
  const file = typeof chosen === 'string' ? chosen : join(folder, 'config.json')
  const text = readText(file, chosen !== undefined)
  if (text === undefined) return new Map()
  const config = asRecord(parseJson(text, file), file)
  const isSectionEntry = ([name, value]: readonly [string, unknown]) => isRecord(value) || isSection(name)
  const common = Object.entries(config).filter((entry) => !isSectionEntry(entry))
  const sections = Object.entries(config).filter(isSectionEntry)
  const [, known = {}] = sections.find(([name]) => name === section) ?? []
  for (const [name] of sections) checkSection(name, file)
  return new Map([
    ...entriesOf(common, COMMON, file),
    ...entriesOf(Object.entries(asRecord(known, `${file}: ${section}`)), specs, file),
  ])
}

/** The sections of the config file, one for each command that keeps settings. */
export const CONFIG_SECTIONS = ['diagnose', 'relay-up'] as const

function isSection(name: string): boolean {
  return CONFIG_SECTIONS.some((section) => section === name)
}

function checkSection(name: string, file: string): void {
  if (isSection(name)) return
  throw new ReachError('ERR_REACH_CONFIG', `${file}: unknown key ${JSON.stringify(name)}`, {
    hint: `known sections: ${CONFIG_SECTIONS.join(', ')}`,
  })
}

function entriesOf(
  entries: readonly (readonly [string, unknown])[],
  specs: SettingSpecs,
  file: string,
): [string, Value][] {
  return entries.map(([name, value]) => {
    // Not whatever all objects have: "constructor" is no setting.
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
    if (spec === undefined || spec.flagOnly === true) {
      const known = Object.keys(specs).filter((key) => specs[key]?.flagOnly !== true)
      throw new ReachError('ERR_REACH_CONFIG', `${file}: unknown key ${JSON.stringify(name)}`, {
        hint: `known keys: ${known.join(', ')}`,
      })
    }
    if (spec.kind === 'flag' && typeof value === 'boolean') return [name, value]
    if (spec.kind === 'text' && typeof value === 'string') return [name, value]
    if (spec.kind === 'list' && Array.isArray(value) && value.every((one) => typeof one === 'string'))
      return [name, value]
    const wanted = { flag: 'true or false', text: 'a text', list: 'a list of texts' }[spec.kind]
    throw new ReachError('ERR_REACH_CONFIG', `${file}: ${name} must be ${wanted}`)
  })
}

function readText(file: string, isRequired: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const isMissing =
      error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')
    if (isMissing && !isRequired) return undefined
    throw new ReachError('ERR_REACH_CONFIG', `cannot read the config file ${file}`, {
      cause: error,
      hint: 'check the path and its permissions',
    })
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ReachError('ERR_REACH_CONFIG', `${file} is no valid JSON`, { cause: error })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function asRecord(value: unknown, file: string): Record<string, unknown> {
  if (isRecord(value)) return value
  throw new ReachError('ERR_REACH_CONFIG', `${file} must hold a JSON object`)
}

/** The platform's folder for configuration. */
function defaultHome(env: Environment): string {
  switch (process.platform) {
    case 'win32':
      return join(env.APPDATA ?? join(homedir(), 'AppData', 'Roaming'), 'p2p-reach')
    case 'darwin':
      return join(homedir(), 'Library', 'Application Support', 'p2p-reach')
    default:
      return join(env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'p2p-reach')
  }
}
