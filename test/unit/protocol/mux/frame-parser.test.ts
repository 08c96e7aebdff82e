import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { FrameParser } from '../../../../lib/protocol/mux/frame-parser.ts'
import type { FrameSink } from '../../../../lib/protocol/mux/frame-parser.ts'
import { FRAME_HEADER_LENGTH } from '../../../../lib/protocol/mux/frame.ts'
import type { FrameHeader } from '../../../../lib/protocol/mux/frame.ts'
import { yamuxClientBytes } from '../../../vectors/yamux.ts'
import { cut } from './cut.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 300)

/** Writes down what a parser finds; payloads joined again. */
class Notes implements FrameSink {
  readonly frames: FrameHeader[] = []
  readonly payloads: number[][] = []
  readonly pieces: Uint8Array[] = []
  lastLeft: number | undefined

  onFrame(header: FrameHeader): void {
    this.frames.push(header)
    this.payloads.push([])
  }

  onPayload(bytes: Uint8Array, left: number): void {
    this.pieces.push(bytes)
    this.payloads.at(-1)?.push(...bytes)
    this.lastLeft = left
  }
}

test('finds the frames of another implementation, however they are cut', (t) => {
  const whole = new Notes()
  new FrameParser().push(yamuxClientBytes, whole)
  t.deepEqual(
    whole.frames.map(({ type, flags }) => [type, flags]),
    [
      [1, 1],
      [0, 0],
      [2, 1],
      [1, 4],
      [3, 0],
    ],
  )
  t.is(String.fromCharCode(...(whole.payloads[1] ?? [])), 'hello')
  const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 })
  fc.assert(
    fc.property(cuts, (lengths) => {
      const notes = new Notes()
      const parser = new FrameParser()
      for (const piece of cut(yamuxClientBytes, lengths)) parser.push(piece, notes)
      t.deepEqual([notes.frames, notes.payloads], [whole.frames, whole.payloads])
      t.true(parser.isAtBoundary)
    }),
    { numRuns: RUNS },
  )
})

test('passes payloads on as views of the chunk, before their frame is whole', (t) => {
  const notes = new Notes()
  const parser = new FrameParser()
  const chunk = yamuxClientBytes.slice(12, 12 + FRAME_HEADER_LENGTH + 3)
  parser.push(chunk, notes)
  t.is(notes.pieces[0]?.buffer, chunk.buffer)
  t.deepEqual(notes.pieces[0], chunk.subarray(12))
  t.is(notes.lastLeft, 2)
  t.false(parser.isAtBoundary)
})

test('a length of 4 GiB allocates nothing: what comes is passed on, the rest is waited for', (t) => {
  const notes = new Notes()
  const parser = new FrameParser()
  parser.push(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255), notes)
  const before = process.memoryUsage().arrayBuffers
  const chunk = new Uint8Array(65_536)
  parser.push(chunk, notes)
  t.is(notes.pieces[0], chunk, 'the chunk itself')
  t.is(notes.lastLeft, 0xffff_ffff - 65_536)
  t.true(process.memoryUsage().arrayBuffers - before < 1_000_000)
})

test('a header that was cut is refused when it is whole', (t) => {
  const parser = new FrameParser()
  const notes = new Notes()
  parser.push(Uint8Array.of(1), notes)
  const error = t.throws(() => parser.push(new Uint8Array(11), notes))
  t.true(ReachError.is(error, 'ERR_REACH_DECODE'))
})
