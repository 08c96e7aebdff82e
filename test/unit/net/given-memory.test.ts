import test from 'ava'
import { GivenMemory } from '../../../lib/net/given-memory.ts'

const MIB = 1024 * 1024
const BLOCK = MIB / 4

/** What V8 counts when so much of what is given stays, and where it was asked to scavenge. */
function aGivenMemory(keptShare: number) {
  let given = 0
  let young = 0
  let kept = 7 * MIB
  const scavengedAt: number[] = []
  const memory = new GivenMemory({
    countedBytes: () => kept + young,
    scavenge: () => {
      scavengedAt.push(given / MIB)
      young = 0
    },
  })
  return {
    scavengedAt,
    give: (bytes: number) => {
      for (const end = given + bytes; given < end; given += BLOCK) {
        young += BLOCK * (1 - keptShare)
        kept += BLOCK * keptShare
        memory.note(BLOCK)
      }
    },
    /** What was kept is let go of, and a mark finds that. */
    free: () => {
      kept = 7 * MIB
    },
    /** Something else of the program takes memory. */
    take: (bytes: number) => {
      kept += bytes
    },
  }
}

function multiples(of: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i + 1) * of - BLOCK / MIB)
}

test('V8 looks for what is dead for each 4 MiB that were given away, as long as most of it is', (t) => {
  const { scavengedAt, give } = aGivenMemory(0)
  give(1024 * MIB)
  t.deepEqual(scavengedAt, multiples(4, 256))
})

test('who keeps all of it has V8 left alone after 12 MiB, for 256', (t) => {
  const { scavengedAt, give } = aGivenMemory(1)
  give((12 + 256) * MIB)
  t.deepEqual(scavengedAt, [...multiples(4, 3), 12 + 256 - BLOCK / MIB])
})

test('who keeps a quarter of it, too, before that is pressure', (t) => {
  const { scavengedAt, give } = aGivenMemory(0.25)
  give(128 * MIB)
  t.deepEqual(scavengedAt, multiples(4, 7))
})

test('what is kept and freed by marks is not taken for kept', (t) => {
  const memory = aGivenMemory(0.25)
  for (let i = 0; i < 16; i++) {
    memory.give(16 * MIB)
    memory.free()
  }
  t.deepEqual(memory.scavengedAt, multiples(4, 64))
})

test('what else a program takes counts once', (t) => {
  const { scavengedAt, give, take } = aGivenMemory(0)
  give(16 * MIB)
  take(64 * MIB)
  give((4 + 256 + 64) * MIB)
  t.is(scavengedAt.length, 4 + 1 + 1 + 16)
})
