import fc from 'fast-check'
import test from 'ava'
import { isUnusable, parseUnixPing, parseWindowsPing } from '../../../lib/net/ping-output.ts'

// iputils: captured from version 20221126 behind two routers in network namespaces.
const IPUTILS_EXPIRED = `PING 203.0.113.9 (203.0.113.9) 56(84) bytes of data.
From 192.168.1.1 icmp_seq=1 Time to live exceeded

--- 203.0.113.9 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

`
const IPUTILS_REPLY = `PING 203.0.113.9 (203.0.113.9) 56(84) bytes of data.
64 bytes from 203.0.113.9: icmp_seq=1 ttl=62 time=0.035 ms

--- 203.0.113.9 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
`
const IPUTILS_IPV6_EXPIRED = `PING 2001:db8:3::9(2001:db8:3::9) 56 data bytes
From 2001:db8:1::1 icmp_seq=1 Time exceeded: Hop limit
`
const IPUTILS_IPV6_REPLY = `PING 2001:db8:3::9(2001:db8:3::9) 56 data bytes
64 bytes from 2001:db8:3::9: icmp_seq=1 ttl=62 time=0.526 ms
`
const IPUTILS_UNREACHABLE = `PING 198.51.100.7 (198.51.100.7) 56(84) bytes of data.
From 192.168.1.1 icmp_seq=1 Destination Net Unreachable

--- 198.51.100.7 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms
`
const IPUTILS_SILENCE = `PING 203.0.113.77 (203.0.113.77) 56(84) bytes of data.

--- 203.0.113.77 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms
`

test('iputils: a router whose TTL ran out is the hop, in both families', (t) => {
  t.deepEqual(parseUnixPing(IPUTILS_EXPIRED), { kind: 'expired', ip: '192.168.1.1' })
  t.deepEqual(parseUnixPing(IPUTILS_IPV6_EXPIRED), { kind: 'expired', ip: '2001:db8:1::1' })
})

test('iputils: an echo reply means that the destination was reached, in both families', (t) => {
  t.deepEqual(parseUnixPing(IPUTILS_REPLY), { kind: 'reached', ip: '203.0.113.9' })
  t.deepEqual(parseUnixPing(IPUTILS_IPV6_REPLY), { kind: 'reached', ip: '2001:db8:3::9' })
})

test('iputils: releases that put a colon after the router are understood', (t) => {
  const text = IPUTILS_EXPIRED.replace('192.168.1.1 icmp', '192.168.1.1: icmp')
  t.deepEqual(parseUnixPing(text), { kind: 'expired', ip: '192.168.1.1' })
})

test('iputils: a link-local router keeps its zone', (t) => {
  const text = IPUTILS_IPV6_EXPIRED.replace('From 2001:db8:1::1', 'From fe80::1%eth0')
  t.deepEqual(parseUnixPing(text), { kind: 'expired', ip: 'fe80::1%eth0' })
})

test('"unreachable" from a router nearer by is no hop, and silence is silence', (t) => {
  t.deepEqual(parseUnixPing(IPUTILS_UNREACHABLE), { kind: 'silent' })
  t.deepEqual(parseUnixPing(IPUTILS_SILENCE), { kind: 'silent' })
})

test('an answer that is still being printed is not taken for silence once it is whole', (t) => {
  for (let length = 0; length < IPUTILS_EXPIRED.length; length++) {
    const answer = parseUnixPing(IPUTILS_EXPIRED.slice(0, length))
    if (answer.kind !== 'silent') t.deepEqual(answer, { kind: 'expired', ip: '192.168.1.1' })
  }
})

test('busybox: replies are understood; it never names routers', (t) => {
  const reply =
    'PING 203.0.113.9 (203.0.113.9): 56 data bytes\n64 bytes from 203.0.113.9: seq=0 ttl=62 time=0.052 ms\n'
  t.deepEqual(parseUnixPing(reply), { kind: 'reached', ip: '203.0.113.9' })
  t.deepEqual(parseUnixPing('PING 203.0.113.9 (203.0.113.9): 56 data bytes\n'), { kind: 'silent' })
})

test('macOS: routers and replies are understood, for ping and ping6', (t) => {
  const expired = `PING 203.0.113.9 (203.0.113.9): 56 data bytes
36 bytes from 192.168.1.1: Time to live exceeded
Vr HL TOS  Len   ID Flg  off TTL Pro  cks      Src      Dst
 4  5  00 5400 1b2c   0 0000  01  01 a3b1 192.168.1.23  203.0.113.9 
`
  t.deepEqual(parseUnixPing(expired), { kind: 'expired', ip: '192.168.1.1' })
  const reply = '64 bytes from 203.0.113.9: icmp_seq=0 ttl=57 time=9.187 ms\n'
  t.deepEqual(parseUnixPing(reply), { kind: 'reached', ip: '203.0.113.9' })
  const expired6 = '1240 bytes from 2001:db8:1::1: Time to live exceeded\n'
  t.deepEqual(parseUnixPing(expired6), { kind: 'expired', ip: '2001:db8:1::1' })
  const reply6 = '16 bytes from 2001:db8:3::9, icmp_seq=0 hlim=62 time=0.526 ms\n'
  t.deepEqual(parseUnixPing(reply6), { kind: 'reached', ip: '2001:db8:3::9' })
})

// Windows: written after ping.exe's documented form; the translations are its own.
const windows = (line: string) => `\r
Pinging 203.0.113.9 with 32 bytes of data:\r
${line}\r
\r
Ping statistics for 203.0.113.9:\r
    Packets: Sent = 1, Received = 1, Lost = 0 (0% loss),\r
`
const parse = (line: string) => parseWindowsPing(windows(line), '203.0.113.9', ['192.168.1.23'])

test('Windows: an answer of the destination means reached, in any language', (t) => {
  for (const line of [
    'Reply from 203.0.113.9: bytes=32 time=14ms TTL=117',
    'Antwort von 203.0.113.9: Bytes=32 Zeit=14ms TTL=117',
    'Réponse de 203.0.113.9 : octets=32 temps=14 ms TTL=117',
    '203.0.113.9의 응답: 바이트=32 시간=14ms TTL=117',
  ]) {
    t.deepEqual(parse(line), { kind: 'reached', ip: '203.0.113.9' }, line)
  }
})

test('Windows: an answer of a router is a hop, or an "unreachable": the text is not read', (t) => {
  for (const line of [
    'Reply from 192.168.1.1: TTL expired in transit.',
    'Antwort von 192.168.1.1: Die Gültigkeitsdauer wurde bei der Übertragung überschritten.',
    '192.168.1.1 からの応答: 転送中に TTL が期限切れになりました。',
    '来自 192.168.1.1 的回复: 在传输中 TTL 到期。',
  ]) {
    t.deepEqual(parse(line), { kind: 'unclear', ip: '192.168.1.1' }, line)
  }
})

test('Windows: no answer, an answer of this host itself, and the statistics are silence', (t) => {
  t.deepEqual(parse('Request timed out.'), { kind: 'silent' })
  t.deepEqual(parse('PING: transmit failed. General failure.'), { kind: 'silent' })
  t.deepEqual(parse('Reply from 192.168.1.23: Destination host unreachable.'), { kind: 'silent' })
  t.deepEqual(parseWindowsPing('', '203.0.113.9', []), { kind: 'silent' })
})

test('Windows: IPv6 answers are understood, with and without zones', (t) => {
  const text = '\r\nPinging 2001:db8::9 with 32 bytes of data:\r\nReply from 2001:db8::9: time=14ms\r\n'
  t.deepEqual(parseWindowsPing(text, '2001:0db8::9', []), { kind: 'reached', ip: '2001:db8::9' })
  const router = text.replace('from 2001:db8::9:', 'from fe80::1%12:')
  t.deepEqual(parseWindowsPing(router, '2001:db8::9', []), { kind: 'unclear', ip: 'fe80::1%12' })
  t.deepEqual(parseWindowsPing(router, '2001:db8::9', ['fe80::1%4']), { kind: 'silent' })
})

test('Windows: a line that is still being printed waits', (t) => {
  const text = windows('Reply from 203.0.113.9: bytes=32 time=14ms TTL=117')
  const end = text.indexOf('TTL=117\r\n') + 'TTL=117\r\n'.length
  t.deepEqual(parseWindowsPing(text.slice(0, end - 1), '203.0.113.9', []), { kind: 'silent' })
  t.is(parseWindowsPing(text.slice(0, end), '203.0.113.9', []).kind, 'reached')
})

test('no text makes a parser throw, and only IPs come out', (t) => {
  const word = fc.constantFrom(
    'From',
    '64 bytes from',
    '1.2.3.4',
    '::',
    '1::2:',
    '%',
    'icmp_seq=1',
    'Time to live exceeded',
    '\n',
  )
  const words = fc.array(fc.oneof(word, fc.string()), { maxLength: 20 }).map((each) => each.join(' '))
  fc.assert(
    fc.property(fc.oneof(words, fc.string({ unit: 'binary' })), (text) => {
      for (const answer of [parseUnixPing(text), parseWindowsPing(text, '203.0.113.9', [])]) {
        t.regex(answer.kind === 'silent' ? '0.0.0.0' : answer.ip, /^[0-9a-f.:]+(%.*)?$/s)
      }
    }),
  )
})

test('regression: 100,000 characters on one line kept the patterns busy for half a minute', (t) => {
  for (const text of [
    'From '.repeat(20_000),
    `64 bytes from ${'a'.repeat(100_000)}`,
    `\n${':'.repeat(100_000)}\n\n`,
  ]) {
    t.deepEqual(parseUnixPing(text), { kind: 'silent' })
    t.deepEqual(parseWindowsPing(`x\n${text}\n`, '203.0.113.9', []), { kind: 'silent' })
  }
})

test('complaints tell a ping that is of no use from one that found no way', (t) => {
  t.true(isUnusable('ping: socktype: SOCK_RAW\nping: socket: Operation not permitted\n'))
  t.true(isUnusable('ping: permission denied (are you root?)\n'))
  t.true(isUnusable('ping: Lacking privilege for icmp socket.\n'))
  t.true(isUnusable("ping: invalid option -- 'W'\n"))
  t.true(isUnusable('ping: unsupported packet type: 3\n'))
  t.false(isUnusable('ping: connect: Network is unreachable\n'))
  t.false(isUnusable(''))
})
