import { copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { attempt, run } from './programs.mjs'

/** Something that this machine lacks: no fault of the Dockerfile. */
export class CannotHere extends Error {}

/** Where, in the base image, the authorities are that Node trusts on this machine beside its own. */
export const MACHINE_AUTHORITIES = '/usr/local/share/machine-authorities.pem'

/** Ours: sixty megabytes from the nearest mirror take seconds. */
const DEBOOTSTRAP_TIMEOUT_MS = 180_000
const PACKAGES_FORMAT = '$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(SITE)'

/** The Debian release below an image of Node. @throws for all images but Debian's slim ones */
export function suiteOf(image) {
  const [, suite] = /^node:\d+(?:\.\d+)*-([a-z]+)-slim(?:@sha256:[0-9a-f]{64})?$/.exec(image) ?? []
  if (suite === undefined) throw new Error(`cannot play the image ${image}: only node:VERSION-SUITE-slim`)
  return suite
}

/**
 * Plays an image of Node: a minimal Debian of the same release, and the Node and npm of this machine, whatever their
 * version. No image can be pulled without an engine.
 * @throws {CannotHere}
 */
export async function makeBaseImage(folder, image) {
  const suite = suiteOf(image)
  const mirror = await aptMirror(suite)
  const { code, output } = await attempt(['debootstrap', '--variant=minbase', suite, folder, mirror], {
    timeoutMs: DEBOOTSTRAP_TIMEOUT_MS,
  })
  if (code !== 0) {
    throw new CannotHere(`debootstrap could not make a Debian ${suite}: ${output.split('\n').at(-1) ?? ''}`)
  }
  const nodeVersion = await addNode(folder)
  return { suite, nodeVersion }
}

/** Where apt of this machine gets Debian's packages from. */
async function aptMirror(suite) {
  const { output } = await attempt([
    'apt-get',
    'indextargets',
    '--format',
    PACKAGES_FORMAT,
    'Created-By: Packages',
  ])
  const sources = output.split('\n').map((line) => line.split('|'))
  const ofDebian = sources.filter(([origin, , component]) => origin === 'Debian' && component === 'main')
  // The same mirror has all releases; the archive of security updates is another one.
  const [, , , site] =
    ofDebian.find(([, codename]) => codename === suite) ??
    ofDebian.find(([, codename = '']) => /^[a-z]+$/.test(codename)) ??
    []
  if (site === undefined)
    throw new CannotHere('apt of this machine knows no mirror of Debian (apt-get update?)')
  return site
}

async function addNode(folder) {
  const local = join(folder, 'usr', 'local')
  mkdirSync(join(local, 'bin'), { recursive: true })
  copyFileSync(process.execPath, join(local, 'bin', 'node'))
  cpSync(npmFolder(), join(local, 'lib', 'node_modules', 'npm'), { recursive: true, verbatimSymlinks: true })
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(local, 'bin', 'npm'))
  const authorities = process.env['NODE_EXTRA_CA_CERTS']
  if (authorities !== undefined && existsSync(authorities))
    copyFileSync(authorities, join(folder, MACHINE_AUTHORITIES))
  const { code, output } = await attempt(['chroot', folder, 'node', '--version'])
  if (code !== 0) throw new CannotHere(`the Node of this machine does not run on that Debian: ${output}`)
  return output
}

/** The folder of the npm that belongs to the running Node. */
function npmFolder() {
  const bin = dirname(process.execPath)
  const candidates = [join(bin, 'npm'), realpathIfAny(join(dirname(realpathSync(process.execPath)), 'npm'))]
  const found = candidates.find((path) => path !== undefined && existsSync(path))
  if (found === undefined) throw new CannotHere('no npm stands beside the Node of this machine')
  return dirname(dirname(realpathSync(found)))
}

function realpathIfAny(path) {
  return existsSync(path) ? realpathSync(path) : undefined
}

/** Lays a folder to write in over one that stays as it is. @throws {CannotHere} */
export async function overlay(lower, folder) {
  const [upper, work, merged] = ['upper', 'work', 'merged'].map((name) => join(folder, name))
  for (const one of [upper, work, merged]) mkdirSync(one, { recursive: true })
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
  const { code, output } = await attempt(['mount', '-t', 'overlay', 'overlay', '-o', options, merged])
  if (code !== 0) throw new CannotHere(`no overlay can be mounted: ${output}`)
  return { merged, upper }
}

/** The size of what is in a folder, in MB. */
export async function megabytes(folder) {
  const [kilobytes = '0'] = (await run(['du', '-sk', folder])).split(/\s/)
  return Math.round(Number(kilobytes) / 1024)
}
