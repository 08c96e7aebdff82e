import test from 'ava'
import { MAX_WAYS, formatWays, parseWays } from '../../../lib/ways/ways-format.ts'

test('what is known comes back as it was, and the oldest is left out', (t) => {
  const ways = Array.from({ length: MAX_WAYS + 5 }, (_, at) => ({
    ...{ network: `192.168.1.1@eth${at}`, relay: 'relay.example:443', way: 'websocket', usedMs: at },
    ...(at % 2 === 0 ? { legs: 'tls' as const, keepaliveMs: 5000 } : {}),
  }))
  const addresses = [{ relay: 'relay.example:443', ips: ['203.0.113.9', '2001:db8::9'] }]
  const back = parseWays(formatWays({ ways, addresses }))
  t.deepEqual(back, { ways: ways.slice(5).reverse(), addresses })
  t.throws(() => parseWays('{"schema":"other"}'), { code: 'ERR_REACH_DECODE' })
})
