import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { bindingRequest, encodeStun } from '../../../../lib/protocol/stun/message.ts'
import {
  DEFAULT_MAX_STREAM_MESSAGE_LENGTH,
  StunStreamParser,
} from '../../../../lib/protocol/stun/tcp-framing.ts'
import { allVectors, hex } from '../../../vectors/rfc5769.ts'
import { aMessage } from './arbitraries.ts'

const ID = hex('01020304 05060708 090a0b0c')

test('gives the same messages however the stream is cut', (t) => {
  const cuts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
  fc.assert(
    fc.property(fc.array(aMessage, { maxLength: 5 }), cuts, (messages, lengths) => {
      const parser = new StunStreamParser({ maxMessageLength: 65_552 })
      const written = messages.map((message) => encodeStun(message))
      const stream = Uint8Array.from(written.flatMap((bytes) => [...bytes]))
      const read: Uint8Array[] = []
      for (let offset = 0, i = 0; offset < stream.length; i++) {
        const length = lengths[i % lengths.length] ?? 1
        read.push(...parser.push(stream.subarray(offset, offset + length)))
        offset += length
      }
      return parser.pendingLength === 0 && asHex(read) === asHex(written)
    }),
  )
  t.pass()
})

test('takes a stream byte by byte', (t) => {
  const parser = new StunStreamParser()
  const stream = allVectors.flatMap(({ bytes }) => [...bytes])
  const read = stream.flatMap((byte) => parser.push(Uint8Array.of(byte)))
  t.deepEqual(
    read,
    allVectors.map(({ bytes }) => bytes),
  )
})

test('gives nothing for each truncation of a message, and holds what it has', (t) => {
  const [{ bytes } = { bytes: ID }] = allVectors
  for (let length = 0; length < bytes.length; length++) {
    const parser = new StunStreamParser()
    t.deepEqual(parser.push(bytes.subarray(0, length)), [])
    t.is(parser.pendingLength, length)
  }
})

test('gives messages that the next chunk does not overwrite', (t) => {
  const parser = new StunStreamParser()
  const chunk = Uint8Array.from(bindingRequest(ID))
  const [message] = parser.push(chunk)
  chunk.fill(0xff)
  t.deepEqual(message, bindingRequest(ID))
})

const garbage: readonly (readonly [string, string])[] = [
  ['TLS', '16030100 c8010000 c40303aa aaaaaaaa aaaaaaaa'],
  ['HTTP', '47455420 2f204854 54502f31 2e310d0a 486f7374'],
  ['a length that is no multiple of 4', '0001 0002 2112a442 00000000 00000000 00000000'],
  ['RFC 3489, which has no cookie', '0001 0000 01020304 00000000 00000000 00000000'],
  ['upper bits that are not zero', '4001 0000 2112a442 00000000 00000000 00000000'],
]

for (const [what, bytes] of garbage) {
  test(`refuses ${what}, for good`, (t) => {
    const parser = new StunStreamParser()
    t.true(
      ReachError.is(
        t.throws(() => parser.push(hex(bytes))),
        'ERR_REACH_DECODE',
      ),
    )
    t.true(
      ReachError.is(
        t.throws(() => parser.push(bindingRequest(ID))),
        'ERR_REACH_DECODE',
      ),
    )
  })
}

test('refuses a message that is too long as soon as the header says so', (t) => {
  const max = DEFAULT_MAX_STREAM_MESSAGE_LENGTH
  const request = (length: number) => bindingRequest(ID, [{ type: 'padding', length: length - 24 }])
  t.is(new StunStreamParser().push(request(max)).length, 1)
  const error = t.throws(() => new StunStreamParser().push(request(max + 4).subarray(0, 20)))
  t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
})

test('throws only ERR_REACH_DECODE on arbitrary streams', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (chunks) => {
      const parser = new StunStreamParser()
      try {
        for (const chunk of chunks) parser.push(chunk)
        return true
      } catch (error) {
        return ReachError.is(error, 'ERR_REACH_DECODE')
      }
    }),
  )
  t.pass()
})

function asHex(messages: readonly Uint8Array[]): string {
  return messages.map((bytes) => Array.from(bytes, (byte) => byte.toString(16)).join(' ')).join('|')
}
