import test from 'ava'
import fc from 'fast-check'
import { PROOF_NONCE_LENGTH, carriesProof, encodeProof } from '../../../../lib/protocol/relay/proof-packet.ts'

const aNonce = fc.uint8Array({ minLength: PROOF_NONCE_LENGTH, maxLength: PROOF_NONCE_LENGTH })

test('a proof is a STUN Binding indication without attributes (RFC 8489 §5, §6.2)', (t) => {
  const nonce = Uint8Array.from({ length: 12 }, (_, at) => at + 1)
  t.is(
    Buffer.from(encodeProof(nonce)).toString('hex'),
    '0011' + // indication, Binding
      '0000' + // no attributes
      '2112a442' + // magic cookie
      '0102030405060708090a0b0c', // transaction id
  )
  t.true(carriesProof(encodeProof(nonce), nonce))
})

test('attributes of later versions do no harm', (t) => {
  const nonce = new Uint8Array(12).fill(7)
  const software = Buffer.from('80220004' + '61626364', 'hex')
  const bytes = Buffer.concat([encodeProof(nonce), software])
  bytes.writeUInt16BE(software.length, 2)
  t.true(carriesProof(bytes, nonce))
})

test('no other nonce, class, method or truncation counts', (t) => {
  const nonce = new Uint8Array(12).fill(7)
  const whole = encodeProof(nonce)
  for (let length = 0; length < whole.length; length++)
    t.false(carriesProof(whole.subarray(0, length), nonce))
  for (const type of ['0001', '0101', '0111', '0012', '0013']) {
    t.false(carriesProof(Buffer.concat([Buffer.from(type, 'hex'), whole.subarray(2)]), nonce), type)
  }
  for (let at = 0; at < whole.length; at++) {
    const changed = Uint8Array.from(whole)
    changed[at] = (changed[at] ?? 0) ^ 1
    t.false(carriesProof(changed, nonce), `byte ${at}`)
  }
})

test('arbitrary bytes are no proof, and no error', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), aNonce, (bytes, nonce) => {
      t.false(carriesProof(bytes, nonce))
      t.notThrows(() => carriesProof(Buffer.concat([encodeProof(nonce), bytes]), nonce))
    }),
    { numRuns: Number(process.env.P2P_REACH_FUZZ_RUNS ?? '300') },
  )
})

test('a nonce of another length is a mistake of the caller', (t) => {
  t.throws(() => encodeProof(new Uint8Array(11)), { instanceOf: RangeError })
})
