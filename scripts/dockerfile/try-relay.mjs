import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Container, looseFiles, makeVolumes, userOf } from './container.mjs'

/** What `docker stop` waits for before it kills. */
const STOP_TIMEOUT_MS = 10_000
const HEALTHY_TIMEOUT_MS = 30_000
/** Docker counts from seconds to minutes; a start is not to be waited for that long. */
const HEALTH_INTERVAL_MS = 300

/** The root's certificate and the revocation list are there to be read by other software. */
const PUBLIC_FILES = ['644 authority/crl.pem', '644 authority/root.pem']
const KEY_FILES = ['authority/root.key', 'authority/issuing.json', 'identity.pem', 'relay-tls.pem']

/** Two lives of a relay on one volume. @throws {assert.AssertionError} */
export async function tryRelay({ folder, image, say }) {
  const { config } = image
  checkImage(image)
  const volumes = await makeVolumes(folder, image)
  await checkUnwell(image, volumes, say)
  const command = [...(config.entrypoint ?? []), ...(config.cmd ?? [])]
  const first = await life({ image, volumes, command, say })
  const second = await life({ image, volumes, command, say })
  assert.deepEqual(second, first, 'the second relay has another network')
  say(`the second relay on the volume has the same network: ${first.domain}`)
}

function checkImage({ root, config }) {
  const program = join(root, config.workdir)
  const has = (path) => existsSync(join(program, path))
  assert.ok(has('node_modules/@peculiar/x509') && has('dist/cli/main.js'), 'the program is not in the image')
  for (const path of ['node_modules/typescript', 'node_modules/ava', 'lib', 'test'])
    assert.ok(!has(path), `${path} is in the image`)
}

/** Where no relay runs, the check must say so. */
async function checkUnwell(image, volumes, say) {
  const container = new Container(image, volumes, image.config.healthcheck.command)
  const code = await container.end(milliseconds(image.config.healthcheck.timeout))
  assert.equal(code, 1, `HEALTHCHECK where no relay runs ended with ${code}: ${container.lines.join('\n')}`)
  say('HEALTHCHECK fails where no relay runs')
}

async function life({ image, volumes, command, say }) {
  const container = new Container(image, volumes, command)
  try {
    const healthyMs = await becomesHealthy(container, image.config.healthcheck)
    say(`${command.join(' ')}: healthy after ${healthyMs.toFixed(0)} ms`)
    checkProcess(container, image, say)
    const network = await networkOf(container)
    await checkFiles(volumes, userOf(image).uid, say)
    await stops(container, image.config.stopSignal ?? 'SIGTERM', say)
    return network
  } catch (error) {
    console.error(`the relay said:\n${container.lines.join('\n')}`)
    throw error
  } finally {
    await container.kill()
  }
}

async function becomesHealthy(container, { command, timeout }) {
  const startedMs = performance.now()
  for (;;) {
    assert.ok(container.isRunning, 'the relay ended')
    const { code, output } = await container.exec(command, { timeoutMs: milliseconds(timeout) })
    const elapsedMs = performance.now() - startedMs
    if (code === 0) return elapsedMs
    assert.ok(elapsedMs < HEALTHY_TIMEOUT_MS, `not healthy after ${HEALTHY_TIMEOUT_MS} ms: ${output}`)
    await delay(HEALTH_INTERVAL_MS)
  }
}

/** Who runs as process 1, and with which rights. */
function checkProcess({ pid }, image, say) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const field = (name) => (new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '').split(/\s+/)
  const { uid, gid } = userOf(image)
  assert.notEqual(uid, 0, 'the image runs as root')
  assert.deepEqual(new Set(field('Uid')), new Set([String(uid)]))
  assert.deepEqual(new Set(field('Gid')), new Set([String(gid)]))
  assert.match(field('CapEff')[0], /^0+$/)
  assert.equal(field('NSpid').at(-1), '1')
  const [program = ''] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  assert.equal(program.split('/').at(-1), 'node', 'process 1 is not Node')
  say(`process 1 is ${program}, uid ${uid}, gid ${gid}, no capabilities, on a read-only root`)
}

/** The relay answers its operator in the container, as `docker exec` would ask. */
async function networkOf(container) {
  const status = await container.exec(['p2p-reach', 'relay', 'status', '--json'])
  assert.equal(status.code, 0, status.output)
  const invited = await container.exec(['p2p-reach', 'invite', 'alice'])
  assert.match(invited.output, /^p2pr1\w+/m)
  const { domain, roots } = JSON.parse(status.output)
  assert.ok(typeof domain === 'string' && domain !== '', `no network: ${status.output}`)
  return { domain, roots: JSON.stringify(roots) }
}

async function checkFiles(volumes, uid, say) {
  for (const { source, path } of volumes) {
    assert.equal((statSync(source).mode & 0o777).toString(8), '700', `the mode of ${path}`)
    const loose = await looseFiles(source, uid)
    assert.deepEqual(
      loose.filter((line) => !PUBLIC_FILES.includes(line)),
      [],
      `others can read what is in ${path}`,
    )
    const modes = KEY_FILES.map((key) => (statSync(join(source, key)).mode & 0o777).toString(8))
    assert.deepEqual(new Set(modes), new Set(['600']), `the modes of ${KEY_FILES.join(', ')}`)
    say(
      `${path} is 0700, its ${KEY_FILES.length} files with keys are 0600, and all but what is public is uid ${uid}'s alone`,
    )
  }
}

async function stops(container, signal, say) {
  const startedMs = performance.now()
  container.signal(signal)
  const code = await container.end(STOP_TIMEOUT_MS)
  assert.equal(code, 0, `after ${signal} it ended with ${code}`)
  say(`${signal}: exit code 0 after ${(performance.now() - startedMs).toFixed(0)} ms`)
}

/** A duration of HEALTHCHECK. */
function milliseconds(text = '30s') {
  const [, number, unit] = /^(\d+)(ms|s|m)$/.exec(text) ?? []
  assert.ok(number !== undefined, `cannot read the duration ${text}`)
  return Number(number) * { ms: 1, s: 1000, m: 60_000 }[unit]
}
