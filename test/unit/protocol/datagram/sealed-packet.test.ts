import test from 'ava'
import fc from 'fast-check'
import { datagramKind } from '../../../../lib/net/udp-demux.ts'
import type { DatagramAead } from '../../../../lib/protocol/datagram/datagram-keys.ts'
import {
  DATAGRAM_EXPORT_LENGTH,
  datagramAead,
  datagramSecrets,
} from '../../../../lib/protocol/datagram/datagram-keys.ts'
import {
  EPOCH_PACKETS,
  PacketOpener,
  PacketSealer,
  SEALED_OVERHEAD,
  sealedToken,
} from '../../../../lib/protocol/datagram/sealed-packet.ts'
import { REPLAY_WINDOW } from '../../../../lib/protocol/datagram/replay-window.ts'
import { BYTES, FLOW, SECRET, sealedPackets } from '../../../vectors/sealed-datagram.ts'

const RUNS = Number(process.env['P2P_REACH_FUZZ_RUNS'] ?? 200)
const AEADS = ['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const

function pairOf(aead: DatagramAead = 'aes-128-gcm', counter = 0) {
  return { sealer: new PacketSealer(SECRET, aead, counter), opener: new PacketOpener(SECRET, aead) }
}

function sealed(sealer: PacketSealer, bytes: Uint8Array, flow = FLOW): Uint8Array {
  const packet = sealer.seal(flow, bytes)
  if (packet === undefined) throw new Error('nothing was sealed')
  return packet
}

for (const { aead, counter, packet } of sealedPackets) {
  test(`a packet sealed with ${aead} is what docs/wire.md says`, (t) => {
    const { sealer, opener } = pairOf(aead, counter)
    t.deepEqual(sealer.seal(FLOW, BYTES), packet)
    t.deepEqual(opener.open(packet), { flow: FLOW, bytes: BYTES })
    t.deepEqual(sealedToken(packet), sealer.token)
    t.is(packet.length, BYTES.length + SEALED_OVERHEAD)
    // Where RFC 7983 puts nothing, and udx, which begins with 0xff, neither.
    t.is(datagramKind(packet), 'other')
    t.not(packet[0], 0xff)
  })

  test(`a packet sealed with ${aead} is not opened when any of its bytes is another, or some are missing`, (t) => {
    const { opener } = pairOf(aead)
    for (let at = 0; at < packet.length; at++) {
      const forged = packet.slice()
      forged[at] = (forged[at] ?? 0) ^ 0x01
      t.is(opener.open(forged), undefined, `byte ${at}`)
      t.is(opener.open(packet.subarray(0, at)), undefined, `${at} bytes`)
    }
    t.is(opener.open(Uint8Array.of(...packet, 0)), undefined)
    t.deepEqual(opener.open(packet), { flow: FLOW, bytes: BYTES })
  })
}

test('what is sealed is opened: any flow, any bytes, from any place of a larger buffer', (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...AEADS),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.uint8Array({ maxLength: 1500 }),
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      (aead, flow, bytes, counter) => {
        const { sealer, opener } = pairOf(aead, counter)
        const packet = sealed(sealer, bytes, flow)
        const buffer = Uint8Array.of(1, 2, 3, ...packet, 4)
        t.deepEqual(opener.open(buffer.subarray(3, 3 + packet.length)), { flow, bytes })
      },
    ),
    { numRuns: RUNS },
  )
})

test('each packet is opened once, in whatever order they come and however often', (t) => {
  const arrivals = fc.array(fc.integer({ min: 0, max: 199 }), { maxLength: 600 })
  fc.assert(
    fc.property(arrivals, (order) => {
      const { sealer, opener } = pairOf()
      const packets = Array.from({ length: 200 }, (_, at) => sealed(sealer, Uint8Array.of(at)))
      const opened = order.flatMap((at) => [...(opener.open(packets[at] ?? BYTES)?.bytes ?? [])])
      t.deepEqual(opened, [...new Set(order)])
    }),
    { numRuns: 30 },
  )
})

test('a packet that is older than the window is not opened', (t) => {
  const { sealer, opener } = pairOf()
  const packets = Array.from({ length: REPLAY_WINDOW + 1 }, () => sealed(sealer, BYTES))
  const [first, second] = packets
  t.truthy(opener.open(packets.at(-1) ?? BYTES))
  t.is(opener.open(first ?? BYTES), undefined)
  t.truthy(opener.open(second ?? BYTES))
  t.is(opener.open(second ?? BYTES), undefined)
})

test('the other direction has other keys, and another token', (t) => {
  const { fromClient, fromServer } = datagramSecrets(
    Uint8Array.from({ length: DATAGRAM_EXPORT_LENGTH }, (_, at) => at),
  )
  t.deepEqual(fromClient, SECRET)
  const client = new PacketSealer(fromClient, 'aes-128-gcm')
  const packet = sealed(client, BYTES)
  t.is(new PacketOpener(fromServer, 'aes-128-gcm').open(packet), undefined)
  t.is(new PacketOpener(fromClient, 'aes-256-gcm').open(packet), undefined)
  const reflected = packet.slice()
  reflected.set(new PacketSealer(fromServer, 'aes-128-gcm').token, 1)
  t.is(new PacketOpener(fromServer, 'aes-128-gcm').open(reflected), undefined)
})

test('keys change at the limit of the AEAD, and packets from before it still come', (t) => {
  const { sealer, opener } = pairOf('aes-128-gcm', EPOCH_PACKETS - 2)
  const packets = Array.from({ length: 4 }, (_, at) => sealed(sealer, Uint8Array.of(at)))
  const opened = [0, 2, 1, 3].map((at) => opener.open(packets[at] ?? BYTES)?.bytes[0])
  t.deepEqual(opened, [0, 2, 1, 3])
})

test('when the counters are used up, nothing is sealed any more', (t) => {
  const { sealer, opener } = pairOf('aes-128-gcm', 2 ** 48 - 1)
  t.truthy(opener.open(sealed(sealer, BYTES)))
  t.is(sealer.seal(FLOW, BYTES), undefined)
})

test('arbitrary bytes are no packet', (t) => {
  const { opener } = pairOf()
  const bytes = fc.uint8Array({ maxLength: 200 })
  const close = bytes.map((rest) => Uint8Array.of(0x0d, ...opener.token, ...rest))
  fc.assert(
    fc.property(fc.oneof(bytes, close), (packet) => opener.open(packet) === undefined),
    { numRuns: RUNS },
  )
  t.pass()
})

test('the AEAD is that of the path’s TLS', (t) => {
  t.deepEqual(
    ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'].map(datagramAead),
    [...AEADS],
  )
  t.is(datagramAead('TLS_AES_128_CCM_SHA256'), undefined)
  t.is(datagramAead('constructor'), undefined)
})
