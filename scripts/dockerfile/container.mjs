import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { attempt, PATH } from './programs.mjs'

/**
 * Shell: what an engine does before it starts a container, and two things that it does when asked to: the root is
 * read-only but for volumes and /tmp, and no capability is left. The network has nobody else in it. Like Docker's, it
 * lets everybody listen on low ports.
 */
const CONTAINER = `
root=$1; shift
mount --bind "$root" "$root"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start
ip link set lo up
ip link add eth0 type veth peer name cable
ip address add 203.0.113.10/24 dev eth0
ip link set eth0 up
ip link set cable up
exec chroot "$root" "$@"
`

/** Volumes outlive containers. A new one takes over what the image has in its place, with owner and mode. */
export async function makeVolumes(folder, { root, config }) {
  const volumes = []
  for (const [number, path] of config.volumes.entries()) {
    const inImage = join(root, path)
    const source = join(folder, `volume-${number}`)
    if (existsSync(inImage)) await attempt(['cp', '-a', inImage, source])
    else mkdirSync(source)
    volumes.push({ source, path })
  }
  return volumes
}

/** User and group of a container as numbers, by the image's own files. */
export function userOf({ root, config }) {
  const [user = '0', group] = config.user.split(':')
  const row = (file, name) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([first, , number]) => first === name || number === name)
  const ofUser = row('etc/passwd', user)
  const ofGroup = group === undefined ? undefined : row('etc/group', group)
  return { uid: Number(ofUser?.[2] ?? user), gid: Number(ofGroup?.[2] ?? group ?? ofUser?.[3] ?? 0) }
}

/** A container of an image, from its start to its end. */
export class Container {
  /** What it said, both outputs. */
  lines = []
  #image
  #child
  #ended

  constructor(image, volumes, command) {
    this.#image = image
    const binds = volumes.flatMap(({ source, path }) => [source, path])
    const own = ['--mount', '--pid', '--net', '--ipc', '--uts', '--fork', '--kill-child']
    const inside = ['sh', '-euc', CONTAINER, 'sh', image.root, ...binds, '--', ...this.#asUser(), ...command]
    this.#child = spawn('unshare', [...own, ...inside], {
      env: { ...process.env, PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#child.stdout, this.#child.stderr])
      createInterface({ input: stream }).on('line', (line) => this.lines.push(line))
    this.#ended = new Promise((settle) => this.#child.on('close', (code) => settle(code)))
  }

  /** The first process of the container, by its number here. Undefined when it has ended. */
  get pid() {
    const { pid } = this.#child
    const file = `/proc/${pid}/task/${pid}/children`
    const [first = ''] = existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ') : []
    return first === '' ? undefined : Number(first)
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Runs a command in it, as its user and with its variables, as `docker exec` does. */
  exec(command, { timeoutMs = 15_000 } = {}) {
    const enter = ['--mount', '--pid', '--net', '--ipc', '--uts', '--root']
    return attempt(['nsenter', '--target', String(this.pid), ...enter, ...this.#asUser(), ...command], {
      timeoutMs,
    })
  }

  /** The exit code; undefined when it has not ended within `timeoutMs`. */
  async end(timeoutMs) {
    let timer
    const late = new Promise((settle) => (timer = setTimeout(() => settle(undefined), timeoutMs)))
    const code = await Promise.race([this.#ended, late])
    clearTimeout(timer)
    return code
  }

  /** Sends a signal to its first process: by name, or by number as STOPSIGNAL may have it. */
  signal(name) {
    const number = constants.signals[name] ?? Number(name)
    if (this.pid !== undefined) process.kill(this.pid, number)
  }

  /** All processes of it end with the first one. (A change of user has undone what `--kill-child` asked for.) */
  async kill() {
    this.signal('SIGKILL')
    await this.#ended
  }

  #asUser() {
    const { uid, gid } = userOf(this.#image)
    const { env, workdir } = this.#image.config
    const rights = ['--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs']
    const variables = Object.entries({ ...env, HOSTNAME: 'relay' }).map(([name, value]) => `${name}=${value}`)
    return [
      ...['setpriv', `--reuid=${uid}`, `--regid=${gid}`, ...rights],
      ...['env', '-i', '-C', workdir, ...variables],
    ]
  }
}

/** The paths below a folder that somebody but this user may touch, or that are not this user's. */
export async function looseFiles(folder, uid) {
  const loose = ['(', '-perm', '/077', '-o', '-not', '-uid', String(uid), ')']
  const { output } = await attempt(['find', folder, '-mindepth', '1', ...loose, '-printf', '%m %P\n'])
  return output.split('\n').filter((line) => line !== '')
}
