/**
 * Carries out docker/Dockerfile without a Docker engine, and tries the relay that comes out:
 *
 *   node scripts/run-dockerfile.mjs
 *
 * Each step runs in a root made by debootstrap, with mounts, processes and (RUN) a network of its own; the image of Node
 * is played by a minimal Debian with the Node of this machine. Then a relay is started with ENTRYPOINT and CMD as USER,
 * on the volume; HEALTHCHECK must find it well; STOPSIGNAL must end it cleanly; and a second one on the same volume must
 * have the same network.
 *
 * Needs root on Linux, debootstrap and util-linux. Everything is in a file system in memory that only its own processes
 * see, so nothing is left behind but, after SIGKILL, an empty folder. Exit codes: 0 all well, 1 not, 77 it can't be done
 * on this machine.
 */
import { spawn } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readFileSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CannotHere } from './dockerfile/base-image.mjs'
import { BuildContext } from './dockerfile/build-context.mjs'
import { buildImage } from './dockerfile/build-image.mjs'
import { parseDockerfile } from './dockerfile/parse.mjs'
import { attempt, PATH, run } from './dockerfile/programs.mjs'
import { tryRelay } from './dockerfile/try-relay.mjs'
import { ROOT } from './run-command.mjs'

const EXIT_CANNOT_HERE = 77
/** Ours: all in all it takes less than a minute on two cores. */
const DEADLINE_MS = 240_000
const PROGRAMS = ['apt-get', 'chroot', 'debootstrap', 'ip', 'mount', 'nsenter', 'npm', 'setpriv', 'unshare']

process.exitCode = process.argv[2] === '--inside' ? await inside(process.argv[3]) : await outside()

/** Enters namespaces for mounts and processes. They, and all that is in them, end with the child. */
async function outside() {
  const reason = await reasonAgainst()
  if (reason !== undefined) return cannot(reason)
  const folder = mkdtempSync(join(tmpdir(), 'p2p-reach-dockerfile-'))
  const own = ['--mount', '--mount-proc', '--pid', '--fork', '--kill-child']
  const argv = [
    '--pdeathsig',
    'KILL',
    'unshare',
    ...own,
    process.execPath,
    import.meta.filename,
    '--inside',
    folder,
  ]
  const child = spawn('setpriv', argv, {
    env: { ...process.env, PATH },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = new Promise((settle) => child.on('close', (code) => settle(code ?? 1)))
  const end = (why) => {
    console.error(`ended: ${why}`)
    child.kill('SIGKILL')
  }
  for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => end(name))
  const timer = setTimeout(() => end(`it took longer than ${DEADLINE_MS / 1000} s`), DEADLINE_MS)
  try {
    return await ended
  } finally {
    clearTimeout(timer)
    rmdirSync(folder) // the file system was mounted on it for the child alone
  }
}

async function reasonAgainst() {
  if (process.platform !== 'linux') return `needs Linux; this is ${process.platform}`
  if (process.getuid() !== 0) return 'not root'
  const missing = PROGRAMS.find((name) => !PATH.split(':').some((folder) => isExecutable(join(folder, name))))
  if (missing !== undefined) return `the program ${missing} is missing`
  const { code, output } = await attempt(['unshare', '--mount', '--pid', '--net', '--fork', 'true'])
  return code === 0 ? undefined : `not permitted to make namespaces: ${output}`
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function inside(folder) {
  const startedMs = performance.now()
  const say = (text) => console.log(text)
  try {
    await run(['mount', '-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', folder])
    const stages = parseDockerfile(readFileSync(join(ROOT, 'docker', 'Dockerfile'), 'utf8'))
    const image = await buildImage({ folder, stages, context: new BuildContext(ROOT), say })
    await tryRelay({ folder, image, say })
    say(`all well, after ${((performance.now() - startedMs) / 1000).toFixed(0)} s`)
    return 0
  } catch (error) {
    if (error instanceof CannotHere) return cannot(error.message)
    console.error(error instanceof Error ? error.message : String(error))
    return 1
  }
}

function cannot(reason) {
  console.log(`skipped: ${reason}`)
  return EXIT_CANNOT_HERE
}
