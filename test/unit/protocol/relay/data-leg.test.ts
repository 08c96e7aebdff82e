import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { decodeControlReply } from '../../../../lib/protocol/relay/control-reply.ts'
import { decodeControlRequest } from '../../../../lib/protocol/relay/control-request.ts'
import {
  LEG_HEAD_LENGTH,
  LEG_STATUS,
  decodeLegHead,
  encodeLegHead,
  legStatusName,
} from '../../../../lib/protocol/relay/data-leg.ts'

const RUNS = { numRuns: Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 300) }
const aTicket = fc.uint8Array({ minLength: 32, maxLength: 32 })

test('the head of a data leg, byte by byte (docs/wire.md)', (t) => {
  const ticket = Uint8Array.from({ length: 32 }, (_, at) => at)
  const head = Buffer.from(encodeLegHead(ticket)).toString('hex')
  t.is(head, 'd2703201' + '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f')
  t.is(LEG_HEAD_LENGTH, 36)
  t.throws(() => encodeLegHead(new Uint8Array(31)), { instanceOf: RangeError })
})

test('statuses keep their numbers, and one of a later version has no name', (t) => {
  t.deepEqual([1, 2, 3, 4, 5, 6].map(legStatusName), [
    'go',
    'ticket-unknown',
    'peer-late',
    'peer-gone',
    'busy',
    'draining',
  ])
  t.is(Object.keys(LEG_STATUS).length, 6)
  t.is(legStatusName(0), undefined)
  t.is(legStatusName(7), undefined)
})

test('a head is read as it was written, no byte too early, and what follows it is no part of it', (t) => {
  fc.assert(
    fc.property(aTicket, fc.uint8Array({ maxLength: 20 }), (ticket, behind) => {
      const head = encodeLegHead(ticket)
      for (let length = 0; length < head.length; length++)
        if (decodeLegHead(head.subarray(0, length)) !== undefined) return false
      const read = decodeLegHead(Buffer.concat([head, behind]))
      return read !== undefined && Buffer.compare(read, ticket) === 0
    }),
    RUNS,
  )
  t.pass()
})

test('any bytes are a head, a part of one, or refused as undecodable at the first byte that is wrong', (t) => {
  const magic = [0xd2, 0x70, 0x32, 0x01]
  const almost = fc
    .tuple(fc.nat(4), fc.uint8Array({ maxLength: 40 }))
    .map(([right, rest]) => Uint8Array.from([...magic.slice(0, right), ...rest]))
  fc.assert(
    fc.property(almost, (bytes) => {
      const wrongAt = magic.findIndex((byte, at) => at < bytes.length && bytes[at] !== byte)
      try {
        const ticket = decodeLegHead(bytes)
        return wrongAt === -1 && (ticket === undefined) === bytes.length < LEG_HEAD_LENGTH
      } catch (error) {
        return wrongAt >= 0 && ReachError.is(error, 'ERR_REACH_DECODE') && error.details['at'] === wrongAt
      }
    }),
    RUNS,
  )
  t.pass()
})

const anId = fc.nat()
const aText = fc.string({ minLength: 1, maxLength: 40 })

test('requests of the data plane are read as they were written', (t) => {
  const request = fc.oneof(
    fc.record({ type: fc.constant('peers'), id: anId }),
    fc.record({ type: fc.constant('register'), id: anId, nat: fc.constant(undefined) }),
    fc.record({ type: fc.constant('open'), id: anId, peer: aText, ticket: aText }),
  )
  fc.assert(
    fc.property(request, (message) => {
      t.deepEqual<unknown, unknown>(decodeControlRequest(JSON.stringify(message)), message)
    }),
    RUNS,
  )
  for (const missing of [
    '{"type":"open","id":1,"peer":"bob"}',
    '{"type":"register"}',
    '{"type":"peers","id":-1}',
  ])
    t.throws(() => decodeControlRequest(missing), { code: 'ERR_REACH_DECODE' })
  const long = JSON.stringify({ type: 'open', id: 1, peer: 'x'.repeat(65), ticket: '' })
  t.throws(() => decodeControlRequest(long), { code: 'ERR_REACH_DECODE' })
})

test('replies of the data plane are read as they were written; whoever has no PeerId is nobody', (t) => {
  const peerId = 'y'.repeat(52)
  const named = fc.record({ peerId: fc.constant(peerId), name: fc.constantFrom('bob', undefined) })
  const reply = fc.oneof(
    fc.record({ type: fc.constant('registered'), id: anId, generation: anId }),
    fc.record({ type: fc.constant('superseded'), generation: anId }),
    fc.record({ type: fc.constant('restarting'), delayMs: anId }),
    fc.tuple(named, anId).map(([who, id]) => ({ type: 'opening', id, ...who })),
    fc.tuple(named, aText).map(([who, ticket]) => ({ type: 'incoming', ticket, ...who })),
    fc.tuple(anId, fc.array(fc.tuple(named, anId), { maxLength: 5 })).map(([id, all]) => ({
      type: 'peers',
      id,
      peers: all.map(([who, sinceMs]) => ({ ...who, sinceMs, nat: undefined })),
    })),
  )
  fc.assert(
    fc.property(reply, (message) => {
      t.deepEqual<unknown, unknown>(decodeControlReply(JSON.stringify(message)), message)
    }),
    RUNS,
  )
  t.throws(() => decodeControlReply('{"type":"incoming","ticket":"AAAA","peerId":"bob"}'), {
    code: 'ERR_REACH_DECODE',
  })
})
