import test from 'ava'
import fc from 'fast-check'
import { fromBase64, toBase64 } from '../../../../lib/base/base64.ts'
import type { SignedStatement } from '../../../../lib/identity/trust/statement.ts'
import {
  fromWireStatement,
  signStatement,
  toWireStatement,
  verifyStatement,
} from '../../../../lib/identity/trust/statement.ts'
import type { KeyType } from '../../../support/identity.ts'
import { NOW_MS, aCertificate, aMember, aNetwork, newKey, refusal } from '../../../support/identity.ts'

const network = await aNetwork()
const { root, intermediate, issuer, rootIssuer } = network

function stated(payload = 'hello'): SignedStatement {
  return signStatement('deny-list', payload, issuer.privateKey, [intermediate])
}

const verify = (statement: SignedStatement) => verifyStatement('deny-list', statement, [root], NOW_MS)

test('an intermediate and a root may state something, and the answer is who did', (t) => {
  t.is(verify(stated()), intermediate)
  t.is(verify(signStatement('deny-list', 'hello', rootIssuer.privateKey, [root])), root)
})

for (const type of ['P-256', 'P-384', 'RSA-2048'] as const satisfies readonly KeyType[]) {
  test(`a CA with a key of type ${type} may, too`, async (t) => {
    const { certificate, privateKey } = await aCertificate({ key: newKey(type), ca: {} })
    const statement = signStatement('root-set', 'hello', privateKey, [certificate])
    t.is(verifyStatement('root-set', statement, [certificate], NOW_MS), certificate)
  })
}

test('every changed byte of the text or the signature is told', (t) => {
  const statement = stated('{"number":1}')
  fc.assert(
    fc.property(
      fc.nat({ max: statement.signature.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      (at, flip) => {
        const signature = Uint8Array.from(statement.signature)
        signature[at] = (signature[at] ?? 0) ^ flip
        refusal(t, () => verify({ ...statement, signature }), 'ERR_REACH_STATEMENT', /signature is wrong/)
      },
    ),
  )
  for (const payload of ['{"number":2}', '{"number":1} ', '', '{"number":1']) {
    refusal(t, () => verify({ ...statement, payload }), 'ERR_REACH_STATEMENT', /signature is wrong/)
  }
  refusal(t, () => verify({ ...statement, signature: new Uint8Array() }), 'ERR_REACH_STATEMENT')
})

test('a statement for one purpose does not pass for another', (t) => {
  refusal(
    t,
    () => verifyStatement('root-set', stated(), [root], NOW_MS),
    'ERR_REACH_STATEMENT',
    /set of roots is refused: its signature is wrong/,
  )
})

test('nobody, a stranger, a member, and a CA that may not sign lists are no signers', async (t) => {
  refusal(t, () => verify({ ...stated(), signer: [] }), 'ERR_REACH_STATEMENT', /nobody signed it/)
  const other = await aNetwork()
  const foreign = signStatement('deny-list', 'x', other.issuer.privateKey, [other.intermediate, other.root])
  refusal(t, () => verify(foreign), 'ERR_REACH_STATEMENT', /unknown-issuer/)
  const member = await aMember(network, { roles: ['admin'] })
  const byMember = signStatement('deny-list', 'x', member.keys.privateKey, member.chain)
  refusal(t, () => verify(byMember), 'ERR_REACH_STATEMENT', /may not sign such/)
  const noLists = await aCertificate({ ca: {}, keyUsage: ['keyCertSign'], issuer: rootIssuer })
  const byOne = signStatement('deny-list', 'x', noLists.privateKey, [noLists.certificate])
  refusal(t, () => verify(byOne), 'ERR_REACH_STATEMENT', /may not sign such/)
})

test('a signer whose certificate has ended, or not begun, does not hold', (t) => {
  const at = (nowMs: number) => () => verifyStatement('deny-list', stated(), [root], nowMs)
  refusal(t, at(intermediate.notAfterMs + 1000), 'ERR_REACH_STATEMENT', /expired/)
  refusal(t, at(intermediate.notBeforeMs - 1000), 'ERR_REACH_STATEMENT', /not-yet-valid/)
})

test('the certificate of another does not lend its name to a signature', async (t) => {
  const other = await aNetwork()
  const statement = signStatement('deny-list', 'x', other.issuer.privateKey, [intermediate])
  refusal(t, () => verify(statement), 'ERR_REACH_STATEMENT', /signature is wrong/)
})

test('regression: of a root’s key the certificate that we trust counts, not the one that is presented', async (t) => {
  // Not signed by the root at all: whoever has its public key can write this.
  const stranger = newKey('ed25519')
  const forged = await aCertificate({
    key: root.publicKey,
    subject: root,
    issuer: { certificate: root, privateKey: stranger },
    ca: {},
    notBeforeMs: NOW_MS,
  })
  const statement = signStatement('deny-list', 'hello', rootIssuer.privateKey, [forged.certificate])
  t.is(verify(statement), root)
})

test('comes through JSON as it was', (t) => {
  const statement = stated('{"ä":"\\u0000 \\n"}')
  const back = fromWireStatement(toWireStatement(statement))
  t.is(back.payload, statement.payload)
  t.deepEqual(back.signature, statement.signature)
  t.is(verify(back).serial, intermediate.serial)
})

test('certificates that can’t be read are ERR_REACH_DECODE', (t) => {
  const wire = toWireStatement(stated())
  for (const signer of ['', 'AAAA', '!!', toBase64(fromBase64(wire.signer[0] ?? '').subarray(1))]) {
    refusal(t, () => fromWireStatement({ ...wire, signer: [signer] }), 'ERR_REACH_DECODE')
  }
})
