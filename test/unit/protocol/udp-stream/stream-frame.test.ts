import test from 'ava'
import fc from 'fast-check'
import {
  ReceiveCredit,
  SendCredit,
  STREAM_WINDOW_BYTES,
} from '../../../../lib/protocol/udp-stream/flow-window.ts'
import {
  encodeFrameHeader,
  MAX_DATA_FRAME_BYTES,
  StreamFrameParser,
} from '../../../../lib/protocol/udp-stream/stream-frame.ts'

/** What a parser says, neighbouring data joined: where they are cut is of no account. */
function parse(chunks: readonly Uint8Array[]): string {
  let said = ''
  const parser = new StreamFrameParser({
    onData: (bytes) => (said += Buffer.from(bytes).toString('hex')),
    onCredit: (bytes) => (said += `+${bytes};`),
    onEnd: () => (said += 'end;'),
  })
  for (const chunk of chunks) parser.parse(chunk)
  return parser.isBetweenFrames ? said : `${said}…`
}

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

test('a header is a type and a number of 24 bits', (t) => {
  t.deepEqual(encodeFrameHeader('data', 0x010203), Uint8Array.of(0, 1, 2, 3))
  t.deepEqual(encodeFrameHeader('credit', 0xffffff), Uint8Array.of(1, 255, 255, 255))
  t.deepEqual(encodeFrameHeader('end', 0), Uint8Array.of(2, 0, 0, 0))
  t.deepEqual(encodeFrameHeader('data', MAX_DATA_FRAME_BYTES), Uint8Array.of(0, 0x10, 0, 0))
})

test('data, credit and the end come out in order; credit also after the end', (t) => {
  t.is(
    parse([hex('00 000002 abcd  01 100000  00 000000  00 000001 ef  02 000000  01 000005')]),
    'abcd+1048576;efend;+5;',
  )
})

test('where frames are cut makes no difference', (t) => {
  const bytes = hex('00 000003 010203  01 000007  00 000004 0a0b0c0d  02 000000')
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      const chunks = edges.slice(1).map((edge, i) => bytes.subarray(edges[i], edge))
      t.is(parse(chunks), '010203+7;0a0b0c0dend;')
    }),
  )
})

test('a frame that has come in part is no place to stop', (t) => {
  t.is(parse([hex('00 0000')]), '…')
  t.is(parse([hex('00 000002 ab')]), 'ab…')
})

test('data after the end, a second end and unknown types are ERR_REACH_DECODE', (t) => {
  for (const bytes of ['02 000000 00 000001', '02 000000 02 000000', '03 000000', 'ff 000000']) {
    t.throws(() => parse([hex(bytes)]), { code: 'ERR_REACH_DECODE' }, bytes)
  }
})

test('arbitrary bytes throw nothing else', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      try {
        parse(chunks)
      } catch (error) {
        t.like(error, { code: 'ERR_REACH_DECODE' })
      }
    }),
  )
})

test('a sender spends its window and goes on with credit, never with more than a window', (t) => {
  const credit = new SendCredit()
  credit.spend(STREAM_WINDOW_BYTES)
  t.is(credit.left, 0)
  credit.add(STREAM_WINDOW_BYTES)
  t.is(credit.left, STREAM_WINDOW_BYTES)
  t.throws(() => credit.add(1), { code: 'ERR_REACH_DECODE' })
})

test('a reader gives back what it took, in steps, and refuses what goes beyond', (t) => {
  const credit = new ReceiveCredit()
  credit.receive(STREAM_WINDOW_BYTES)
  t.is(credit.take(1000), 0)
  const given = credit.take(STREAM_WINDOW_BYTES / 2)
  t.is(given, STREAM_WINDOW_BYTES / 2 + 1000)
  credit.receive(given)
  t.throws(() => credit.receive(1), { code: 'ERR_REACH_DECODE' })
})

test('whatever a reader takes, a sender that heeds credit never stands still for good', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: STREAM_WINDOW_BYTES }), { minLength: 1 }), (reads) => {
      const [sender, reader] = [new SendCredit(), new ReceiveCredit()]
      let held = 0
      for (const read of reads) {
        reader.receive(sender.left)
        held += sender.left
        sender.spend(sender.left)
        const taken = Math.min(read, held)
        held -= taken
        sender.add(reader.take(taken))
      }
      const rest = reader.take(held)
      sender.add(rest)
      t.true(held === 0 || sender.left > 0)
    }),
  )
})
