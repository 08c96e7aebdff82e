import test from 'ava'
import type { Resolver } from '../../../lib/base/runtime.ts'
import { formatAddress, transportAddress } from '../../../lib/base/transport-address.ts'
import { stunServersAt } from '../../../lib/relay/stun-servers.ts'

/** Answers one name, and counts how often it was asked. */
class OneName implements Resolver {
  asked = 0
  readonly #ips: readonly string[]

  constructor(...ips: readonly string[]) {
    this.#ips = ips
  }

  lookup() {
    this.asked++
    const failed = { kind: 'failed', code: 'ESERVFAIL' } as const
    return Promise.resolve(this.#ips.length === 0 ? failed : ({ kind: 'found', ips: this.#ips } as const))
  }

  servers(): readonly string[] {
    return []
  }

  query() {
    return this.lookup()
  }
}

const CONNECTED = transportAddress('203.0.113.9', 443, 'tcp')
const HOST = 'relay.example.org'

async function serversAt(resolver: Resolver, host: string, ports: readonly number[], at = CONNECTED) {
  return (await stunServersAt(resolver, host, at, ports)).map(
    (address) => `${formatAddress(address)}/${address.transport}`,
  )
}

test('each port is asked at the address that answers, and at one of the other family', async (t) => {
  const resolver = new OneName('203.0.113.8', '203.0.113.9', '2001:db8::8', '2001:db8::9')
  t.deepEqual(await serversAt(resolver, HOST, [3478, 53]), [
    '203.0.113.9:3478/udp',
    '203.0.113.9:53/udp',
    '[2001:db8::8]:3478/udp',
    '[2001:db8::8]:53/udp',
  ])
  const overIpv6 = transportAddress('2001:db8::9', 443, 'tcp')
  t.deepEqual(await serversAt(resolver, HOST, [3478], overIpv6), [
    '[2001:db8::9]:3478/udp',
    '203.0.113.8:3478/udp',
  ])
})

test('a name that can’t be resolved any more leaves the address that answers', async (t) => {
  t.deepEqual(await serversAt(new OneName(), HOST, [3478]), ['203.0.113.9:3478/udp'])
})

test('a relay without STUN, and one that is called by its IP, need no name', async (t) => {
  const resolver = new OneName('2001:db8::9')
  t.deepEqual(await serversAt(resolver, HOST, []), [])
  t.deepEqual(await serversAt(resolver, '203.0.113.9', [3478]), ['203.0.113.9:3478/udp'])
  t.is(resolver.asked, 0)
})
