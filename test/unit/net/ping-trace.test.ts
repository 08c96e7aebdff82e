import test from 'ava'
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { pingCommand } from '../../../lib/net/ping-command.ts'
import { hopsOf, traceHops } from '../../../lib/net/ping-trace.ts'

const SILENT = { kind: 'silent' } as const

test('hops end with the first TTL that reached the destination', (t) => {
  const hops = hopsOf([
    { kind: 'expired', ip: '192.168.1.1' },
    SILENT,
    { kind: 'reached', ip: '203.0.113.9' },
    { kind: 'reached', ip: '203.0.113.9' },
  ])
  t.deepEqual(hops, [
    { ttl: 1, ip: '192.168.1.1', reached: false },
    { ttl: 2, ip: undefined, reached: false },
    { ttl: 3, ip: '203.0.113.9', reached: true },
  ])
})

test('without the destination all hops asked for are listed', (t) => {
  t.deepEqual(hopsOf([SILENT, { kind: 'unusable' }]), [
    { ttl: 1, ip: undefined, reached: false },
    { ttl: 2, ip: undefined, reached: false },
  ])
})

test('a router that answers unclearly again is no second hop; one whose TTL ran out twice is a loop', (t) => {
  const ips = (kind: 'unclear' | 'expired') =>
    hopsOf([
      { kind, ip: '192.168.1.1' },
      { kind, ip: '192.168.1.1' },
    ]).map((hop) => hop.ip)
  t.deepEqual(ips('unclear'), ['192.168.1.1', undefined])
  t.deepEqual(ips('expired'), ['192.168.1.1', '192.168.1.1'])
})

test('refuses hop counts that make no sense', async (t) => {
  const to = transportAddress('203.0.113.9', 0)
  for (const maxHops of [0, -1, 65, 1.5, Number.NaN]) {
    await t.throwsAsync(traceHops(to, { maxHops, timeoutMs: 100 }), { instanceOf: RangeError })
  }
})

test('starts nothing once aborted', async (t) => {
  const reason = new Error('enough')
  const options = { maxHops: 3, timeoutMs: 100, signal: AbortSignal.abort(reason) }
  t.is(await t.throwsAsync(traceHops(transportAddress('203.0.113.9', 0), options)), reason)
})

test('each system gets its own flags for TTL and time limit', (t) => {
  const request = { ip: '203.0.113.9', ttl: 3, timeoutMs: 1_500 }
  const args = (platform: NodeJS.Platform, ip = request.ip) =>
    pingCommand(platform, { ...request, ip })?.args.join(' ')
  t.is(args('linux'), '-n -c 1 -W 2 -t 3 203.0.113.9')
  t.is(args('android'), args('linux'))
  t.is(args('darwin'), '-n -c 1 -W 1500 -m 3 203.0.113.9')
  t.is(args('darwin', '2001:db8::9'), '-n -c 1 -h 3 2001:db8::9')
  t.is(args('win32'), '-n 1 -w 1500 -i 3 203.0.113.9')
  t.is(pingCommand('aix', request), undefined)
})

test('programs are named by absolute paths', (t) => {
  const request = { ip: '203.0.113.9', ttl: 1, timeoutMs: 1_000 }
  for (const platform of ['linux', 'darwin', 'win32'] as const) {
    for (const path of pingCommand(platform, request)?.paths ?? ['none']) t.regex(path, /^(\/|[A-Z]:\\)/)
  }
})
