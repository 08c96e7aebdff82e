import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'

test('once all is closed, nothing keeps the process alive', async (t) => {
  const script = new URL('../unit/net/support/exit-main.js', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [script], {
    timeout: 30_000,
    killSignal: 'SIGKILL',
  })
  const report: unknown = JSON.parse(stdout)
  t.like(report, { random: 16 })
  t.true(stdout.includes('127.0.0.1'))
})

test('loopback is no interface to be reached at unless asked for', (t) => {
  const ips = nodeRuntime()
    .network.interfaces()
    .flatMap((each) => each.addresses.map((address) => address.ip))
  t.false(ips.some((ip) => ip === '::1' || ip.startsWith('127.')))
})

test('random bytes have the length asked for and differ', (t) => {
  const { random } = nodeRuntime()
  t.is(random.bytes(0).length, 0)
  t.is(random.bytes(100_000).length, 100_000)
  t.notDeepEqual(random.bytes(16), random.bytes(16))
  t.false(Buffer.isBuffer(random.bytes(1)))
})
