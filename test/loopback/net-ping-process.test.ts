import test from 'ava'
import { parseUnixPing } from '../../lib/net/ping-output.ts'
import { startPing } from '../../lib/net/ping-process.ts'

/** A process that plays ping: it runs a line of JavaScript. */
const playing = (program: string) => startPing(process.execPath, ['-e', program], parseUnixPing)
const waitForEver = 'setInterval(() => undefined, 1000)'

test('an answer ends the process, even one that waits on', async (t) => {
  const ping = playing(`console.log('36 bytes from 192.168.1.1: Time to live exceeded'); ${waitForEver}`)
  t.deepEqual(await ping.end, { kind: 'expired', ip: '192.168.1.1' })
})

test('an answer that comes in pieces is understood', async (t) => {
  const ping = playing(`
    process.stdout.write('64 bytes from 203.0')
    setTimeout(() => process.stdout.write('.113.9: icmp_seq=1 ttl=62\\n'), 50)
    ${waitForEver}`)
  t.deepEqual(await ping.end, { kind: 'reached', ip: '203.0.113.9' })
})

test('kill ends a silent process, however often it is called', async (t) => {
  const ping = playing(waitForEver)
  ping.kill()
  ping.kill()
  t.deepEqual(await ping.end, { kind: 'silent' })
  ping.kill()
})

test('a process that ends without an answer is silence, whatever its status', async (t) => {
  t.deepEqual(await playing('process.exit(1)').end, { kind: 'silent' })
  const unreachable = playing(`console.error('ping: connect: Network is unreachable'); process.exit(2)`)
  t.deepEqual(await unreachable.end, { kind: 'silent' })
})

test('a ping without the right to ping, or not there at all, is unusable', async (t) => {
  const forbidden = playing(`console.error('ping: socket: Operation not permitted'); process.exit(2)`)
  t.deepEqual(await forbidden.end, { kind: 'unusable' })
  const missing = startPing('/nonexistent/ping', [], parseUnixPing)
  t.deepEqual(await missing.end, { kind: 'unusable' })
  missing.kill()
})

test('a flood of output is read to its limit only, and does not stop the process from ending', async (t) => {
  const ping = playing(`
    process.stdout.write('x\\n'.repeat(100_000), () => {
      process.stdout.write('64 bytes from 203.0.113.9: icmp_seq=1 ttl=62\\n')
    })`)
  t.deepEqual(await ping.end, { kind: 'silent' })
})
