/**
 * Reads a Dockerfile as far as ours needs it. What it does not know it refuses, so that nothing is passed over that an
 * engine would do.
 */

/** Instructions, and the flags that we know of each. */
const INSTRUCTIONS = {
  ARG: [],
  CMD: [],
  COPY: ['from'],
  ENTRYPOINT: [],
  ENV: [],
  EXPOSE: [],
  FROM: [],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'retries'],
  LABEL: [],
  RUN: [],
  STOPSIGNAL: [],
  USER: [],
  VOLUME: [],
  WORKDIR: [],
}

/**
 * @typedef {{ name: string, flags: Record<string, string>, text: string, line: number }} Step
 * @typedef {{ image: string, name: string | undefined, steps: Step[] }} Stage
 */

/**
 * The stages of a Dockerfile. Variables in FROM are put in; those of steps are left to who carries them out.
 * @param {string} source
 * @param {Record<string, string>} buildArguments what `--build-arg` would give
 * @returns {Stage[]}
 */
export function parseDockerfile(source, buildArguments = {}) {
  const globals = {}
  const stages = []
  for (const step of steps(source)) {
    if (step.name === 'FROM') stages.push(stageOf(step, globals))
    else if (stages.length > 0) stages.at(-1).steps.push(step)
    else if (step.name === 'ARG') Object.assign(globals, argument(step, globals, buildArguments))
    else throw refusal(step, `${step.name} before FROM`)
  }
  if (stages.length === 0) throw new Error('Dockerfile: no FROM')
  return stages
}

function stageOf(step, globals) {
  const [image = '', as, name, ...rest] = words(expand(step.text, globals))
  if (rest.length > 0 || (as !== undefined && (as.toUpperCase() !== 'AS' || name === undefined)))
    throw refusal(step, 'FROM is not  FROM IMAGE [AS NAME]')
  return { image, name, steps: [] }
}

/** What an ARG sets: the given value, else its default; nothing when there is neither. */
export function argument(step, known, given) {
  const [name = '', ...value] = step.text.split('=')
  if (Object.hasOwn(given, name)) return { [name]: given[name] }
  const [fallback = ''] = words(expand(value.join('='), known))
  return value.length > 0 ? { [name]: fallback } : {}
}

/** The pairs of ENV and LABEL. The old form, `ENV NAME VALUE`, is refused. */
export function pairs(step, variables) {
  return Object.fromEntries(
    words(expand(step.text, variables)).map((word) => {
      const at = word.indexOf('=')
      if (at < 1) throw refusal(step, `${word} is not NAME=VALUE`)
      return [word.slice(0, at), word.slice(at + 1)]
    }),
  )
}

/** What is run: the list of the exec form, or a shell's. */
export function commandOf(step, text = step.text) {
  if (!text.startsWith('[')) return ['/bin/sh', '-c', text]
  const list = JSON.parse(text)
  if (!Array.isArray(list) || !list.every((word) => typeof word === 'string'))
    throw refusal(step, 'not a list of texts')
  return list
}

/** Puts in `$NAME`, `${NAME}` and `${NAME:-DEFAULT}`; other forms are refused. */
export function expand(text, variables) {
  return text.replace(
    /\\(\$)|\$(\w+)|\$\{(\w+)(?::-([^}]*))?\}|\$/g,
    (all, escaped, short, long, fallback) => {
      if (escaped !== undefined) return '$'
      const name = short ?? long
      if (name === undefined) throw new Error(`Dockerfile: cannot read ${text}`)
      const value = variables[name] ?? ''
      return value === '' ? (fallback ?? '') : value
    },
  )
}

/** Words as a shell would part them: blanks, both kinds of quotes, backslashes. */
export function words(text) {
  const found = text.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+/gs) ?? []
  return found.map((word) =>
    word.replace(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/gs, (all, double, single, escaped) =>
      double === undefined ? (single ?? escaped) : double.replace(/\\(["\\$])/g, '$1'),
    ),
  )
}

export function refusal(step, reason) {
  return new Error(`Dockerfile:${step.line}: ${reason}`)
}

/** Comments gone, continued lines joined. */
function* steps(source) {
  let text = ''
  let first = 0
  for (const [index, line] of source.split('\n').entries()) {
    if (/^\s*#\s*escape\s*=/i.test(line)) throw new Error('Dockerfile: another escape character is not known')
    if (/^\s*#/.test(line) || (line.trim() === '' && text === '')) continue
    if (text === '') first = index + 1
    text += line.replace(/\\\s*$/, '')
    if (/\\\s*$/.test(line)) continue
    yield stepOf(text.trim(), first)
    text = ''
  }
  if (text !== '') throw new Error(`Dockerfile:${first}: the last line is continued`)
}

function stepOf(text, line) {
  const [, name = '', rest = ''] = /^(\w+)\s*(.*)$/s.exec(text) ?? []
  const step = { name: name.toUpperCase(), flags: {}, text: rest, line }
  if (!Object.hasOwn(INSTRUCTIONS, step.name)) throw refusal(step, `the instruction ${name} is not known`)
  for (;;) {
    const [flag, key = '', value = ''] = /^--([\w-]+)=(\S+)\s+/.exec(step.text) ?? []
    if (flag === undefined) break
    if (!INSTRUCTIONS[step.name].includes(key)) throw refusal(step, `${name} --${key} is not known`)
    step.flags[key] = value
    step.text = step.text.slice(flag.length)
  }
  if (step.text.startsWith('--')) throw refusal(step, `cannot read the flags of ${name}`)
  if (/<<-?["']?\w/.test(step.text)) throw refusal(step, 'here-documents are not known')
  return step
}
