import test from 'ava'
import { SeededRandom } from '../sim/seeded-random.ts'
import { loopbackFamilies } from '../unit/net/support/loopback.ts'
import { receiveHashed, sendHashed } from './splice-support/hashed-stream.ts'
import { PairServer } from './splice-support/joined-pair.ts'
import type { JoinedPair } from './splice-support/joined-pair.ts'

const MIB = 1024 * 1024
const STREAMS = 16

for (const { family, ip, skipReason } of await loopbackFamilies()) {
  if (skipReason !== undefined) {
    console.log(`skipped splices over ${family}: ${skipReason}`)
    continue
  }

  test.serial(`${family}: 64 MiB go each way at once and arrive whole`, async (t) => {
    await using server = await PairServer.open(ip)
    const { left, right, splice } = await server.join()
    const random = new SeededRandom('both ways')
    const [sentLeft, sentRight, gotLeft, gotRight] = await Promise.all([
      sendHashed(left, 64 * MIB, random.fork('left')),
      sendHashed(right, 64 * MIB, random.fork('right')),
      receiveHashed(left),
      receiveHashed(right),
    ])
    t.is(gotRight, sentLeft)
    t.is(gotLeft, sentRight)
    t.deepEqual(await splice.closed, { kind: 'ended' })
    t.is(splice.bytesAToB, 64 * MIB)
    t.is(splice.bytesBToA, 64 * MIB)
  })
}

test.serial(
  'no read buffer is overwritten while a write of it waits: 16 streams, readers that stop and go',
  async (t) => {
    await using server = await PairServer.open('127.0.0.1')
    const random = new SeededRandom('stop and go')
    const pairs: JoinedPair[] = []
    for (let i = 0; i < STREAMS; i++) pairs.push(await server.join())
    const outcomes = await Promise.all(
      pairs.map(async ({ left, right, splice }, i) => {
        const own = random.fork(`stream ${i}`)
        const [sent, got, back, gotBack] = await Promise.all([
          sendHashed(left, 12 * MIB + i, own.fork('forth')),
          receiveHashed(right, own.fork('right reader')),
          sendHashed(right, 2 * MIB + i, own.fork('back')),
          receiveHashed(left, own.fork('left reader')),
        ])
        return { isWhole: sent === got && back === gotBack, end: await splice.closed }
      }),
    )
    t.is(outcomes.filter(({ isWhole }) => isWhole).length, STREAMS)
    for (const { end } of outcomes) t.deepEqual(end, { kind: 'ended' })
  },
)
