import test, { type ExecutionContext } from 'ava'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { ReachError } from '../../lib/base/errors.ts'
import { NetnsLab } from '../../cli/demo/lab/netns-lab.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import { supportScript } from './support/agents.ts'
import { HeldNamespaces, inhabitedNamespaces, MARK, markedProcesses } from './support/marked-processes.ts'
import { canRunLabs, netnsTest } from './support/netns-test.ts'
import { RunningProgram } from './support/running-program.ts'

/* That nothing of a lab outlives it, however it ends. Here real processes end in real time, so the tests poll. */

const POLL_MS = 20
const MAX_POLLS = 1_000

/** Moments at which a driver is killed, in ms after it began to open its lab; set-up takes some 200 to 400 ms. */
const KILL_AFTER_MS = [0, 15, 40, 80, 120, 170, 230]

const serial = canRunLabs ? test.serial : test.serial.skip

serial('kill -9 of the driver, once its lab is up, leaves no process and no namespace', async (t) => {
  for (let round = 0; round < 3; round++) {
    await killedDriverLeavesNothing(t, async (driver) => {
      await driver.waitForLine(/^ready$/)
    })
  }
})

serial('kill -9 of the driver, while it opens its lab, leaves no process and no namespace', async (t) => {
  for (const afterMs of KILL_AFTER_MS) {
    await killedDriverLeavesNothing(t, async (driver) => {
      await driver.waitForLine(/^opening$/)
      await sleep(afterMs)
    })
  }
})

async function killedDriverLeavesNothing(
  t: ExecutionContext,
  untilKill: (driver: RunningProgram) => Promise<void>,
): Promise<void> {
  const mark = randomUUID()
  const env = { ...process.env, [MARK]: mark }
  const driver = new RunningProgram(spawn(process.execPath, [supportScript('lab-driver.js')], { env }))
  await untilKill(driver)
  const before = await markedProcesses(mark)
  t.true(before.length > 0)
  await using held = await HeldNamespaces.of(before)
  t.is((await driver.stop('SIGKILL')).signal, 'SIGKILL')
  await hasProcesses(t, mark, 0)

  const inhabited = await inhabitedNamespaces()
  // The driver itself lived in ours.
  const { ino: ours } = await stat('/proc/self/ns/net', { bigint: true })
  const left = [...held.inodes].filter((inode) => inhabited.has(inode) && inode !== String(ours))
  t.deepEqual(left, [])
}

/** Polls, for a process that is just executing another program has no environment for a moment. */
async function hasProcesses(t: ExecutionContext, mark: string, count: number): Promise<void> {
  for (let poll = 0; poll < MAX_POLLS; poll++) {
    if ((await markedProcesses(mark)).length === count) return
    await sleep(POLL_MS)
  }
  t.is((await markedProcesses(mark)).length, count)
}

serial('a driver that ends without closing its lab leaves nothing either', async (t) => {
  const mark = randomUUID()
  const env = { ...process.env, [MARK]: mark }
  const driver = new RunningProgram(
    spawn(process.execPath, [supportScript('lab-driver.js'), 'exit'], { env }),
  )
  t.is((await driver.ended).code, 0)
  await hasProcesses(t, mark, 0)
})

netnsTest(
  'close() ends programs and their children, wherever they went, and then nothing can be added',
  async (t, lab) => {
    const mark = randomUUID()
    const internet = await lab.internet()
    const { host } = await openSite(lab, internet, 'port-preserving', { number: 1 })
    const program = new RunningProgram(
      host.spawn('sh', ['-c', 'setsid sleep 600 & echo started; exec sleep 600'], {
        env: { ...process.env, [MARK]: mark },
      }),
    )
    await program.waitForLine(/^started$/)
    await hasProcesses(t, mark, 2)

    const closing = lab.close()
    t.is(lab.close(), closing)
    await closing
    t.deepEqual(await program.ended, { code: undefined, signal: 'SIGKILL' })
    t.deepEqual(await markedProcesses(mark), [])
    await t.throwsAsync(lab.host('late'), { code: 'ERR_REACH_LAB' })
    await t.throwsAsync(host.exec('true'), { code: 'ERR_REACH_LAB' })
  },
)

netnsTest('an aborted lab closes, and what was being set up rejects with the reason', async (t) => {
  const controller = new AbortController()
  const lab = await NetnsLab.open({ signal: controller.signal })
  const internet = await lab.internet()
  const opening = openSite(lab, internet, 'port-preserving', { number: 1 })
  const reason = new Error('enough')
  controller.abort(reason)
  t.is(await t.throwsAsync(opening), reason)
  await lab.close()
  t.is(await t.throwsAsync(lab.host('late')), reason)
  t.is(await t.throwsAsync(NetnsLab.open({ signal: controller.signal })), reason)
})

netnsTest('two labs with the same addresses do not meet', async (t, lab) => {
  const other = await NetnsLab.open()
  try {
    const [here, there] = [await lab.internet(), await other.internet()]
    await lab.host('server', { at: here, ips: ['203.0.113.2'] })
    const host = await lab.host('client', { at: here, ips: ['203.0.113.9'] })
    const stranger = await other.host('client', { at: there, ips: ['203.0.113.9'] })
    const ping = ['-c', '1', '-W', '1', '203.0.113.2']
    t.is((await host.exec('ping', ping)).code, 0)
    t.is((await stranger.exec('ping', ping)).code, 1)
  } finally {
    await other.close()
  }
})

netnsTest('a command that takes too long is killed and says what it had printed', async (t, lab) => {
  const host = await lab.host('host')
  const error = await t.throwsAsync(host.exec('sh', ['-c', 'echo half; sleep 600'], { timeoutMs: 500 }), {
    code: 'ERR_REACH_TIMEOUT',
  })
  t.true(ReachError.is(error))
  t.like(ReachError.is(error) ? error.details : {}, { stdout: 'half\n', timeoutMs: 500 })
})

netnsTest(
  'programs read the hosts and resolv.conf files of their own host, in the folder they were started in',
  async (t, lab) => {
    const etc = { hosts: '203.0.113.2 relay.example\n', resolvConf: 'nameserver 203.0.113.53\n' }
    const host = await lab.host('host', { etc })
    const cwd = tmpdir()
    const { stdout } = await host.exec('sh', ['-c', 'cat /etc/hosts /etc/resolv.conf; pwd'], { cwd })
    t.is(stdout, `${etc.hosts}${etc.resolvConf}${cwd}\n`)
    t.not(await readFile('/etc/hosts', 'utf8'), etc.hosts)
  },
)
