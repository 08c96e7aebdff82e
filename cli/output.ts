import { ReachError } from '../lib/index.ts'

/** Where a command writes: results to stdout, talk to stderr. Nothing else in the CLI writes. */
export interface Output {
  /** Part of the result. */
  result(text: string): void
  /** Anything else a person may want to read. */
  say(text: string): void
  /** One JSON line of the result. */
  event(event: Readonly<Record<string, unknown>>): void
  readonly stdoutIsTty: boolean
  readonly stderrIsTty: boolean
  /** Columns of the terminal that results go to; undefined when it is none. */
  readonly columns: number | undefined
  readonly colors: boolean
  readonly unicode: boolean
}

/** The two lines that a failed command leaves: what failed, and what to do. */
export function errorLines(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const hint = ReachError.is(error) ? error.hint : undefined
  const lines = [`p2p-reach: error: ${oneLine(message)}`]
  if (hint !== undefined) lines.push(`p2p-reach: hint: ${oneLine(hint)}`)
  return `${lines.join('\n')}\n`
}

/** A message from outside must not forge lines or colours. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')
}

/** The process' own streams. */
export function processOutput(env: Readonly<Record<string, string | undefined>>): Output {
  const { stdout, stderr } = process
  return {
    result: (text) => void stdout.write(text),
    say: (text) => void stderr.write(text),
    event: (event) => void stdout.write(`${JSON.stringify(event)}\n`),
    stdoutIsTty: stdout.isTTY,
    stderrIsTty: stderr.isTTY,
    columns: stdout.isTTY ? stdout.columns : undefined,
    colors: stdout.isTTY && (env.NO_COLOR ?? '') === '' && env.TERM !== 'dumb',
    unicode: isUnicode(env),
  }
}

/** POSIX: the first of these that is set decides; Windows terminals and macOS speak UTF-8. */
function isUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '')
  if (locale === undefined) return process.platform !== 'linux' || !process.stdout.isTTY
  return /utf-?8/i.test(locale)
}
