import { existsSync, mkdirSync } from 'node:fs'
import { join, posix } from 'node:path'
import { CannotHere, MACHINE_AUTHORITIES, makeBaseImage, megabytes, overlay } from './base-image.mjs'
import { copyTree } from './build-context.mjs'
import { argument, commandOf, expand, pairs, refusal, words } from './parse.mjs'
import { attempt, ProgramFailure, run } from './programs.mjs'

/** What images of Node say themselves. */
const BASE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
const RUN_TIMEOUT_MS = 180_000
const NPM_CACHE = '/root/.npm'

/** Shell: a step's own processes and mounts; with a loopback interface where it has a network of its own. */
const STEP = `
root=$1 cache=$2; shift 2
mount -t proc proc "$root/proc"
if [ -n "$cache" ]; then mkdir -p "$root${NPM_CACHE}"; mount --bind "$cache" "$root${NPM_CACHE}"; fi
[ -n "$P2P_REACH_ONLINE" ] || ip link set lo up
exec chroot "$root" "$@"
`

/**
 * Carries out the stages of a Dockerfile, one after the other.
 * @param {object} options
 * @param {string} options.folder a file system of its own, thrown away afterwards
 * @param {import('./parse.mjs').Stage[]} options.stages
 * @param {import('./build-context.mjs').BuildContext} options.context
 * @param {(text: string) => void} options.say
 * @returns the last stage: its root and what containers of it are run with
 */
export async function buildImage({ folder, stages, context, say }) {
  const images = new Map()
  const built = []
  const cache = await npmCache(folder)
  for (const [number, { image, name, steps }] of stages.entries()) {
    const parent = built.find((stage) => stage.name === image)
    if (parent === undefined && !images.has(image)) images.set(image, await baseImage(folder, image, say))
    const lower = parent?.root ?? images.get(image)
    const { merged, upper } = await overlay(lower, join(folder, `stage-${number}`))
    const config = parent?.config ?? {
      env: { PATH: BASE_PATH },
      workdir: '/',
      user: '0',
      volumes: [],
      exposed: [],
    }
    const stage = { name, root: merged, config: structuredClone(config), args: {} }
    for (const step of steps) await carryOut(step, stage, { context, built, cache, say })
    say(`stage ${name ?? number}: ${await megabytes(upper)} MB above ${image}`)
    built.push(stage)
  }
  return built.at(-1)
}

async function baseImage(folder, image, say) {
  const root = join(folder, 'base')
  const startedMs = performance.now()
  const { suite, nodeVersion } = await makeBaseImage(root, image)
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0)
  say(
    `${image} is played by a Debian ${suite} of debootstrap (${seconds} s) with this machine's Node ${nodeVersion}`,
  )
  return root
}

async function carryOut(step, stage, tools) {
  const { config } = stage
  const variables = { ...stage.args, ...config.env }
  const text = () => expand(step.text, variables)
  switch (step.name) {
    case 'ARG':
      Object.assign(stage.args, argument(step, variables, {}))
      return
    case 'ENV':
      Object.assign(config.env, pairs(step, variables))
      return
    case 'LABEL':
      config.labels = { ...config.labels, ...pairs(step, variables) }
      return
    case 'WORKDIR':
      config.workdir = posix.resolve(config.workdir, text())
      mkdirSync(join(stage.root, config.workdir), { recursive: true })
      return
    case 'COPY':
      return copy(step, stage, words(text()), tools)
    case 'RUN':
      return runStep(step, stage, variables, tools)
    case 'USER':
      config.user = text()
      return
    case 'VOLUME':
      config.volumes.push(...words(text()))
      return
    case 'EXPOSE':
      config.exposed.push(...words(text()))
      return
    case 'STOPSIGNAL':
      config.stopSignal = text()
      return
    case 'HEALTHCHECK': {
      const [, command] = /^CMD\s+(.*)$/s.exec(step.text) ?? []
      if (command === undefined) throw refusal(step, 'HEALTHCHECK without CMD')
      config.healthcheck = { command: commandOf(step, command), ...step.flags }
      return
    }
    case 'ENTRYPOINT':
      config.entrypoint = commandOf(step)
      config.cmd = undefined
      return
    case 'CMD':
      config.cmd = commandOf(step)
      return
    default:
      throw refusal(step, `nobody carries out ${step.name}`)
  }
}

function copy(step, stage, paths, { context, built }) {
  const target = paths.at(-1) ?? ''
  const sources = paths.slice(0, -1)
  if (sources.length === 0 || paths.some((path) => /[*?[]/.test(path)))
    throw refusal(step, 'cannot read COPY')
  const isFolder = target.endsWith('/') || target === '.'
  if (sources.length > 1 && !isFolder) throw refusal(step, 'several files, and no folder to put them in')
  const inside = posix.resolve(stage.config.workdir, target)
  const to = join(stage.root, inside) + (isFolder ? '/' : '')
  if (isFolder) mkdirSync(to, { recursive: true })
  const { from } = step.flags
  const other = built.find(({ name }) => name === from)
  if (from !== undefined && other === undefined) throw refusal(step, `there is no stage ${from}`)
  for (const source of sources) {
    if (other === undefined) context.copy(source, to)
    else copyTree(join(other.root, source), to)
  }
}

/** Without a network first: npm finds what it needs in its cache. Else with this machine's, and says so. */
async function runStep(step, stage, variables, { cache, say }) {
  if (stage.config.user !== '0') throw refusal(step, 'RUN after USER')
  const command = commandOf(step)
  const offline = { ...variables, npm_config_offline: 'true' }
  const { code, output } = await inRoot(stage, command, offline, { cache, isOnline: false })
  if (code === 0) return
  const isForPackages = /ENOTCACHED|EAI_AGAIN|ENETUNREACH|ENOTFOUND/.test(output)
  if (!isForPackages) throw new ProgramFailure([`Dockerfile:${step.line}:`, ...command], code, output)
  say(
    `line ${step.line}: not all packages are in npm's cache, so it is run again with this machine's network`,
  )
  const registry = await run(['npm', 'config', 'get', 'registry'])
  const online = { ...variables, npm_config_registry: registry, NODE_EXTRA_CA_CERTS: MACHINE_AUTHORITIES }
  const again = await inRoot(stage, command, online, { cache, isOnline: true })
  if (again.code !== 0)
    throw new CannotHere(`npm could not install: ${again.output.split('\n').at(-1) ?? ''}`)
}

function inRoot({ root, config }, command, variables, { cache, isOnline }) {
  const own = ['--mount', '--pid', '--ipc', '--uts', ...(isOnline ? [] : ['--net'])]
  const pairs = Object.entries({ HOME: '/root', npm_config_update_notifier: 'false', ...variables })
  const env = pairs.map(([name, value]) => `${name}=${value}`)
  const inside = ['env', '-i', '-C', config.workdir, ...env, ...command]
  const argv = [
    'unshare',
    ...own,
    '--fork',
    '--kill-child',
    'sh',
    '-euc',
    STEP,
    'sh',
    root,
    cache ?? '',
    ...inside,
  ]
  const outer = { ...process.env, P2P_REACH_ONLINE: isOnline ? '1' : '' }
  return attempt(argv, { timeoutMs: RUN_TIMEOUT_MS, env: outer })
}

/** The cache of this machine's npm, under a layer that takes what is written. Undefined when there is none. */
async function npmCache(folder) {
  const { code, output } = await attempt(['npm', 'config', 'get', 'cache'])
  if (code !== 0 || !existsSync(output)) return undefined
  return (await overlay(output, join(folder, 'npm-cache'))).merged
}
