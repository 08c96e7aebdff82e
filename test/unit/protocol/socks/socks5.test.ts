import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import type { SocksStep } from '../../../../lib/protocol/socks/socks5.ts'
import { Socks5Handshake } from '../../../../lib/protocol/socks/socks5.ts'

const TARGET = { host: 'relay.example', port: 443 }
const LOGIN = { username: Buffer.from('genie'), password: Buffer.from('lamp') }
const NOTHING = new Uint8Array(0)
const hex = (step: SocksStep) => (step.kind === 'send' ? Buffer.from(step.bytes).toString('hex') : step.kind)

test('a name goes to the proxy as it is, and what follows the reply is the target’s', (t) => {
  const handshake = new Socks5Handshake(TARGET)
  t.deepEqual([...handshake.start()], [5, 1, 0])
  t.is(
    hex(handshake.push(Uint8Array.of(5, 0))),
    `050100030d${Buffer.from('relay.example').toString('hex')}01bb`,
  )
  const step = handshake.push(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xd2, 0x70))
  t.deepEqual(step, { kind: 'done', rest: Uint8Array.of(0xd2, 0x70) })
})

test('IPs go as IPs, a login only when the proxy asks for it (RFC 1929)', (t) => {
  const handshake = new Socks5Handshake({ host: '2001:db8::1', port: 1 }, LOGIN)
  t.deepEqual([...handshake.start()], [5, 2, 0, 2])
  t.is(hex(handshake.push(Uint8Array.of(5, 2))), '010567656e6965046c616d70')
  t.is(hex(handshake.push(Uint8Array.of(1, 0))), '0501000420010db80000000000000000000000010001')
})

test('refusals keep their reason', (t) => {
  const refusal = (login: typeof LOGIN | undefined, ...chunks: readonly number[][]) => {
    const handshake = new Socks5Handshake(TARGET, login)
    const steps = chunks.map((chunk) => handshake.push(Uint8Array.from(chunk)))
    const last = steps.at(-1)
    return last?.kind === 'refused' ? last.code : last?.kind
  }
  t.is(refusal(undefined, [5, 0xff]), 'auth-required')
  t.is(refusal(undefined, [5, 2]), 'auth-required')
  t.is(refusal(LOGIN, [5, 2], [1, 1]), 'auth-failed')
  t.is(refusal(undefined, [5, 0], [5, 2]), 'reply-2')
})

test('whatever pieces an answer comes in, it means the same; and what is no SOCKS is told at once', (t) => {
  const answer = [5, 0, 5, 0, 0, 3, 2, 0x61, 0x62, 0, 80, 9, 9]
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 20 }), (sizes) => {
      const handshake = new Socks5Handshake(TARGET)
      const rest: number[] = []
      let isDone = false
      for (let at = 0, turn = 0; at < answer.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1
        const chunk = answer.slice(at, at + size)
        at += size
        if (isDone) {
          rest.push(...chunk)
          continue
        }
        let step = handshake.push(Uint8Array.from(chunk))
        while (step.kind === 'send') step = handshake.push(NOTHING)
        if (step.kind !== 'done') continue
        isDone = true
        rest.push(...step.rest)
      }
      return isDone && rest.join() === '9,9'
    }),
  )
  t.throws(() => new Socks5Handshake(TARGET).push(Uint8Array.of(0x48)), {
    instanceOf: ReachError,
    code: 'ERR_REACH_DECODE',
  })
})
