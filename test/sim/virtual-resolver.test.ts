import test from 'ava'
import { VirtualInternet } from './virtual-internet.ts'
import type { HostDnsOptions } from './virtual-resolver.ts'

const NAME = 'relay.example.net'
const IPS = ['203.0.113.7', '2001:db8::7']

function resolverOf(dns: HostDnsOptions = {}) {
  const net = new VirtualInternet({ seed: 1 })
  net.setName(NAME, IPS)
  const { resolver } = net.host({ dns }).runtime
  const run = <T>(promise: Promise<T>) => net.clock.runUntilSettled(promise, 10_000)
  return { net, resolver, run }
}

test('names resolve to all their addresses, in any case of letters, after the server’s delay', async (t) => {
  const { net, resolver, run } = resolverOf({ delayMs: 35 })
  t.deepEqual(await run(resolver.lookup('Relay.EXAMPLE.net')), { kind: 'found', ips: IPS })
  t.is(net.clock.nowMs(), 35)
})

test('queries answer one family', async (t) => {
  const { net, resolver, run } = resolverOf()
  t.deepEqual(await run(resolver.query(NAME, 'A')), { kind: 'found', ips: ['203.0.113.7'] })
  t.deepEqual(await run(resolver.query(NAME, 'AAAA')), { kind: 'found', ips: ['2001:db8::7'] })
  net.setName('v4.example.net', ['203.0.113.8'])
  t.deepEqual(await run(resolver.query('v4.example.net', 'AAAA')), { kind: 'not-found', code: 'ENODATA' })
})

test('a name that nobody has is not found', async (t) => {
  const { resolver, run } = resolverOf()
  t.deepEqual(await run(resolver.lookup('nobody.example')), { kind: 'not-found', code: 'ENOTFOUND' })
  t.deepEqual(await run(resolver.query('nobody.example', 'A')), { kind: 'not-found', code: 'ENOTFOUND' })
})

test('IP literals are themselves, at once', async (t) => {
  const { net, resolver, run } = resolverOf({ mode: 'silent' })
  t.deepEqual(await run(resolver.lookup('2001:DB8::0:1')), { kind: 'found', ips: ['2001:db8::1'] })
  t.deepEqual(await run(resolver.query('192.0.2.1', 'A')), { kind: 'found', ips: ['192.0.2.1'] })
  t.deepEqual(await run(resolver.query('192.0.2.1', 'AAAA')), { kind: 'not-found', code: 'ENODATA' })
  t.is(net.clock.nowMs(), 0)
})

test('the hosts file is for lookups, not for queries', async (t) => {
  const { resolver, run } = resolverOf({ hosts: { [NAME]: ['10.0.0.1'] } })
  t.deepEqual(await run(resolver.lookup(NAME)), { kind: 'found', ips: ['10.0.0.1'] })
  t.deepEqual(await run(resolver.query(NAME, 'A')), { kind: 'found', ips: ['203.0.113.7'] })
  t.deepEqual(await run(resolver.lookup('localhost')), { kind: 'found', ips: ['127.0.0.1', '::1'] })
})

test('servers may lie', async (t) => {
  const { resolver, run } = resolverOf({ lies: { [NAME]: ['192.0.2.66'], 'example.org': [] } })
  t.deepEqual(await run(resolver.lookup(NAME)), { kind: 'found', ips: ['192.0.2.66'] })
  t.deepEqual(await run(resolver.lookup('example.org')), { kind: 'not-found', code: 'ENOTFOUND' })
})

test('servers may be silent or broken: that says nothing about the name', async (t) => {
  const silent = resolverOf({ mode: 'silent' })
  t.deepEqual(await silent.run(silent.resolver.query(NAME, 'A')), { kind: 'failed', code: 'ETIMEOUT' })
  t.deepEqual(await silent.run(silent.resolver.lookup(NAME)), { kind: 'failed', code: 'EAI_AGAIN' })
  const broken = resolverOf({ mode: 'servfail' })
  t.deepEqual(await broken.run(broken.resolver.query(NAME, 'A')), { kind: 'failed', code: 'ESERVFAIL' })
  t.deepEqual(await broken.run(broken.resolver.lookup(NAME)), { kind: 'failed', code: 'EAI_AGAIN' })
})

test('a resolution can be aborted and leaves no timer', async (t) => {
  const { net, resolver, run } = resolverOf({ mode: 'silent' })
  const reason = new Error('enough')
  const controller = new AbortController()
  const lookup = resolver.lookup(NAME, controller.signal)
  controller.abort(reason)
  t.is(await t.throwsAsync(run(lookup)), reason)
  t.is(net.clock.pendingTimers, 0)
  t.is(await t.throwsAsync(run(resolver.query(NAME, 'A', controller.signal))), reason)
})

test('a host names the servers that it asks', (t) => {
  t.deepEqual(resolverOf().resolver.servers(), ['192.0.2.53'])
  t.deepEqual(resolverOf({ servers: ['192.168.1.1'] }).resolver.servers(), ['192.168.1.1'])
})
