import test from 'ava'
import { transportAddress } from '../../../../lib/base/transport-address.ts'
import type { PasswordAlgorithm, StunAttribute } from '../../../../lib/protocol/stun/attributes.ts'
import type { LongTermChallenge, StunCredentials } from '../../../../lib/protocol/stun/credentials.ts'
import {
  longTermKey,
  shortTermKey,
  userhash,
  verifyIntegrity,
} from '../../../../lib/protocol/stun/integrity.ts'
import type { PasswordHash } from '../../../../lib/protocol/stun/integrity.ts'
import {
  BINDING_METHOD,
  decodeStun,
  encodeStun,
  findAttribute,
} from '../../../../lib/protocol/stun/message.ts'
import type { DecodedStunMessage, EncodeStunOptions } from '../../../../lib/protocol/stun/message.ts'
import { nonceWithFeatures } from '../../../../lib/protocol/stun/nonce-cookie.ts'
import { StunTransaction } from '../../../../lib/protocol/stun/transaction.ts'
import type { StunOutcome } from '../../../../lib/protocol/stun/transaction.ts'
import { coturnChallenge } from '../../../vectors/coturn-stun.ts'

const server = transportAddress('192.0.2.1', 3478)
const serverOverTcp = transportAddress('192.0.2.1', 3478, 'tcp')
const mapped: StunAttribute = { type: 'xor-mapped-address', address: transportAddress('198.51.100.9', 4242) }
const MD5: PasswordAlgorithm = { algorithm: 1, parameters: new Uint8Array(0) }
const SHA256: PasswordAlgorithm = { algorithm: 2, parameters: new Uint8Array(0) }
const UNHEARD_OF: PasswordAlgorithm = { algorithm: 0x7777, parameters: Uint8Array.of(1, 2, 3) }

const alice: StunCredentials = { kind: 'long-term', username: 'alice', password: 'wonder\u00a0land' }

/** A server that knows alice, by RFC 8489 §9.2.4, as far as these tests need it. */
class ServerDouble {
  readonly seen: DecodedStunMessage[] = []
  readonly realm = 'example.org'
  algorithms: readonly PasswordAlgorithm[] | undefined
  hidesUsername = false
  nonce = 1
  /** What it does wrong. */
  strips: StunAttribute['type'] | undefined
  signs = true

  constructor(
    settings: Partial<Pick<ServerDouble, 'algorithms' | 'hidesUsername' | 'strips' | 'signs'>> = {},
  ) {
    Object.assign(this, settings)
  }

  nonceText(): string {
    const features = {
      passwordAlgorithms: this.algorithms !== undefined,
      usernameAnonymity: this.hidesUsername,
    }
    const rest = `nonce-${this.nonce}`
    return features.passwordAlgorithms || features.usernameAnonymity
      ? nonceWithFeatures(features, rest)
      : rest
  }

  reply(bytes: Uint8Array): Uint8Array {
    const request = decodeStun(bytes)
    this.seen.push(request)
    const kind = this.algorithms === undefined ? 'sha1' : 'sha256'
    if (
      findAttribute(request, kind === 'sha1' ? 'message-integrity' : 'message-integrity-sha256') === undefined
    ) {
      return this.challenge(request, 401)
    }
    if (findAttribute(request, 'nonce')?.value !== this.nonceText()) return this.challenge(request, 438)
    const key = this.keyFor(request)
    if (key === undefined || !verifyIntegrity(request, key, { kind })) return this.challenge(request, 401)
    return this.respond(request, 'success', [mapped], this.signs ? { integrity: { kind, key } } : {})
  }

  keyFor(request: DecodedStunMessage): Uint8Array | undefined {
    const hash = findAttribute(request, 'userhash')?.value
    const isAlice = this.hidesUsername
      ? hash !== undefined && hash.join() === userhash('alice', this.realm).join()
      : findAttribute(request, 'username')?.value === 'alice'
    const algorithm: PasswordHash =
      findAttribute(request, 'password-algorithm')?.algorithm === 2 ? 'sha256' : 'md5'
    return isAlice ? longTermKey('alice', this.realm, 'wonder land', algorithm) : undefined
  }

  challenge(request: DecodedStunMessage, code: 401 | 438): Uint8Array {
    const attributes: StunAttribute[] = [
      { type: 'error-code', code, reason: '' },
      { type: 'realm', value: this.realm },
      { type: 'nonce', value: this.nonceText() },
    ]
    if (this.algorithms !== undefined)
      attributes.push({ type: 'password-algorithms', algorithms: this.algorithms })
    return this.respond(
      request,
      'error',
      attributes.filter(({ type }) => type !== this.strips),
    )
  }

  respond(
    { transactionId }: DecodedStunMessage,
    stunClass: 'success' | 'error',
    attributes: readonly StunAttribute[],
    options: EncodeStunOptions = {},
  ): Uint8Array {
    return encodeStun({ class: stunClass, method: BINDING_METHOD, transactionId, attributes }, options)
  }
}

/** Runs a transaction against a server that answers at once; with time running until it ends. */
function converse(
  credentials: StunCredentials,
  reply: (request: Uint8Array) => Uint8Array | undefined,
  to = server,
  clock = { nowMs: 0 },
): StunOutcome | undefined {
  let ids = 0
  const newTransactionId = () => new Uint8Array(12).fill(++ids)
  const transaction = new StunTransaction({ server: to, credentials, newTransactionId }, clock.nowMs)
  for (let step = 0; step < 100; step++) {
    const effect = transaction.poll()
    if (effect?.kind === 'done') return effect.outcome
    if (effect === undefined) {
      clock.nowMs = transaction.deadlineMs ?? clock.nowMs
      transaction.handleTimeout(clock.nowMs)
    } else {
      const bytes = reply(effect.bytes)
      if (bytes !== undefined) transaction.handle({ kind: 'packet', bytes, from: to }, clock.nowMs)
    }
  }
  return undefined
}

const types = (message: DecodedStunMessage | undefined) => message?.attributes.map(({ type }) => type)

test('answers the challenge of a server of RFC 5389 with MD5 and MESSAGE-INTEGRITY', (t) => {
  const double = new ServerDouble()
  t.like(
    converse(alice, (bytes) => double.reply(bytes)),
    { kind: 'success', rttMs: 0 },
  )
  t.is(double.seen.length, 2)
  t.deepEqual(types(double.seen[0]), [], 'the first request carries no credentials (RFC 8489 §9.2.3)')
  t.deepEqual(types(double.seen[1]), ['username', 'realm', 'nonce', 'message-integrity'])
  t.notDeepEqual(double.seen[0]?.transactionId, double.seen[1]?.transactionId, 'a new transaction')
})

test('answers a server of RFC 8489 with the first algorithm known, its list, and SHA-256 integrity alone', (t) => {
  const double = new ServerDouble({ algorithms: [UNHEARD_OF, SHA256, MD5] })
  t.is(converse(alice, (bytes) => double.reply(bytes))?.kind, 'success')
  const [, second] = double.seen
  t.deepEqual(types(second), [
    'username',
    'realm',
    'nonce',
    'password-algorithms',
    'password-algorithm',
    'message-integrity-sha256',
  ])
  t.deepEqual(second && findAttribute(second, 'password-algorithms')?.algorithms, [UNHEARD_OF, SHA256, MD5])
  t.is(second && findAttribute(second, 'password-algorithm')?.algorithm, 2)
})

test('takes MD5 when the server lists it first', (t) => {
  const double = new ServerDouble({ algorithms: [MD5, SHA256] })
  t.is(converse(alice, (bytes) => double.reply(bytes))?.kind, 'success')
  t.is(double.seen[1] && findAttribute(double.seen[1], 'password-algorithm')?.algorithm, 1)
})

test('sends USERHASH in the username’s place when the nonce says that the server can', (t) => {
  const double = new ServerDouble({ algorithms: [SHA256], hidesUsername: true })
  t.is(converse(alice, (bytes) => double.reply(bytes))?.kind, 'success')
  t.is(types(double.seen[1])?.[0], 'userhash')
})

test('does not answer when PASSWORD-ALGORITHMS was taken out on the way (bid down, RFC 8489 §9.2.5)', (t) => {
  const double = new ServerDouble({ algorithms: [SHA256, MD5], strips: 'password-algorithms' })
  t.like(
    converse(alice, (bytes) => double.reply(bytes)),
    { kind: 'error', code: 401 },
  )
  t.is(double.seen.length, 1, 'nothing made with the password went out')
})

test('does not answer a list of algorithms that it does not know, or that is too long to send back', (t) => {
  const long = { algorithm: 2, parameters: new Uint8Array(300) }
  for (const algorithms of [[UNHEARD_OF], [], [long]]) {
    const double = new ServerDouble({ algorithms })
    t.like(
      converse(alice, (bytes) => double.reply(bytes)),
      { kind: 'error', code: 401 },
    )
    t.is(double.seen.length, 1)
  }
})

test('does not answer a challenge without realm or nonce', (t) => {
  for (const strips of ['realm', 'nonce'] as const) {
    const double = new ServerDouble({ strips })
    t.like(
      converse(alice, (bytes) => double.reply(bytes)),
      { kind: 'error', code: 401 },
    )
  }
})

test('does not try a wrong password twice', (t) => {
  const double = new ServerDouble()
  const outcome = converse({ ...alice, password: 'wrong' }, (bytes) => double.reply(bytes))
  t.like(outcome, { kind: 'error', code: 401 })
  t.is(double.seen.length, 2)
})

test('takes a new nonce when its own is stale (438), and starts from it next time', (t) => {
  const double = new ServerDouble()
  const first = converse(alice, (bytes) => double.reply(bytes))
  const challenge = first?.kind === 'success' ? first.challenge : undefined
  t.like(challenge, { realm: 'example.org', nonce: 'nonce-1' })

  const again = converse({ ...alice, ...known(challenge) }, (bytes) => double.reply(bytes))
  t.is(again?.kind, 'success')
  t.is(double.seen.length, 3, 'no challenge needed')

  double.nonce = 2
  const later = converse({ ...alice, ...known(challenge) }, (bytes) => double.reply(bytes))
  t.like(later, { kind: 'success', challenge: { nonce: 'nonce-2' } })
  t.is(double.seen.length, 5)
})

test('does not go round in circles with a server that calls each nonce stale', (t) => {
  const double = new ServerDouble()
  const outcome = converse(alice, (bytes) => {
    const reply = double.challenge(decodeStun(bytes), double.seen.length === 0 ? 401 : 438)
    double.seen.push(decodeStun(bytes))
    double.nonce++
    return reply
  })
  t.like(outcome, { kind: 'error', code: 438 })
  t.is(double.seen.length, 4)
})

test('does not take the stale nonce for a new one', (t) => {
  const double = new ServerDouble()
  const challenge = { realm: 'example.org', nonce: 'nonce-1', algorithms: undefined, hidesUsername: false }
  const outcome = converse({ ...alice, challenge }, (bytes) => {
    double.seen.push(decodeStun(bytes))
    return double.challenge(decodeStun(bytes), 438)
  })
  t.like(outcome, { kind: 'error', code: 438 })
  t.is(double.seen.length, 1)
})

test('does not believe an unsigned success after it has signed: it waits on, then says why', (t) => {
  const double = new ServerDouble({ signs: false })
  const outcome = converse(alice, (bytes) => double.reply(bytes))
  t.is(outcome?.kind, 'integrity-violated')
  t.is(double.seen.length, 8, 'the challenge, then a whole schedule')
  const overTcp = new ServerDouble({ signs: false })
  const clock = { nowMs: 0 }
  const tcpOutcome = converse(alice, (bytes) => overTcp.reply(bytes), serverOverTcp, clock)
  t.is(tcpOutcome?.kind, 'integrity-violated')
  t.is(clock.nowMs, 0, 'over TCP the first one ends it, without a wait')
})

test('believes the signed answer that comes after a forged one', (t) => {
  const double = new ServerDouble()
  let forged = 0
  const outcome = converse(alice, (bytes) => {
    const request = decodeStun(bytes)
    const isSigned = findAttribute(request, 'message-integrity') !== undefined
    return isSigned && forged++ === 0 ? double.respond(request, 'success', [mapped]) : double.reply(bytes)
  })
  t.like(outcome, { kind: 'success', rttMs: undefined })
})

test('does not believe a signature of the weaker kind', (t) => {
  const double = new ServerDouble({ algorithms: [SHA256] })
  const outcome = converse(alice, (bytes) => {
    const request = decodeStun(bytes)
    const key = double.keyFor(request)
    if (key === undefined) return double.reply(bytes)
    return double.respond(request, 'success', [mapped], { integrity: { kind: 'sha1', key } })
  })
  t.is(outcome?.kind, 'integrity-violated')
})

test('does without credentials when the server wants none', (t) => {
  const double = new ServerDouble()
  const outcome = converse(alice, (bytes) => double.respond(decodeStun(bytes), 'success', [mapped]))
  t.like(outcome, { kind: 'success', challenge: undefined })
})

test('answers the challenge of coturn', (t) => {
  const sent: DecodedStunMessage[] = []
  converse(alice, (bytes) => {
    sent.push(decodeStun(bytes))
    if (sent.length > 1) return undefined
    const reply = Uint8Array.from(coturnChallenge.bytes)
    reply.set(bytes.subarray(8, 20), 8)
    return reply
  })
  const [, second] = sent
  t.is(second && findAttribute(second, 'nonce')?.value, '951894d6c40da4e5')
  t.true(second && verifyIntegrity(second, longTermKey('alice', 'example.org', 'wonder land')))
})

test('survives challenges with anything in them', (t) => {
  const nonces = ['', 'obMatJos2', 'obMatJos2AAAB', '\0', 'x'.repeat(763), '\ufeff\u00e9']
  for (const nonce of nonces) {
    const outcome = converse(alice, (bytes) => {
      const { transactionId } = decodeStun(bytes)
      const attributes: StunAttribute[] = [
        { type: 'error-code', code: 401, reason: '' },
        { type: 'realm', value: nonce },
        { type: 'nonce', value: nonce },
      ]
      return encodeStun({ class: 'error', method: BINDING_METHOD, transactionId, attributes })
    })
    t.like(outcome, { kind: 'error', code: 401 })
  }
})

const bob: StunCredentials = { kind: 'short-term', username: 'evtj:h6vY', password: 'VOkJxbRl1RmTxUk/WvJxBt' }

for (const integrity of ['sha1', 'sha256', 'both'] as const) {
  test(`signs with a short-term credential at once (${integrity}), and wants the answer signed`, (t) => {
    const key = shortTermKey(bob.password)
    const seen: DecodedStunMessage[] = []
    const kind = integrity === 'both' ? 'sha256' : integrity
    const outcome = converse({ ...bob, integrity }, (bytes) => {
      const request = decodeStun(bytes)
      seen.push(request)
      const answer = {
        class: 'success',
        method: BINDING_METHOD,
        transactionId: request.transactionId,
      } as const
      const options = seen.length === 1 ? {} : { integrity: { kind, key } }
      return encodeStun({ ...answer, attributes: [mapped] }, options)
    })
    t.like(outcome, { kind: 'success', rttMs: undefined }, 'the first, unsigned answer does not count')
    t.true(seen[0] && verifyIntegrity(seen[0], key))
    const expected = { sha1: ['message-integrity'], sha256: ['message-integrity-sha256'] }
    const closing = integrity === 'both' ? [...expected.sha1, ...expected.sha256] : expected[integrity]
    t.deepEqual(types(seen[0]), ['username', ...closing])
  })
}

test('does not believe an unsigned refusal of a short-term credential (RFC 8489 §9.1.4)', (t) => {
  const outcome = converse(bob, (bytes) => {
    const { transactionId } = decodeStun(bytes)
    const attributes: StunAttribute[] = [{ type: 'error-code', code: 401, reason: '' }]
    return encodeStun({ class: 'error', method: BINDING_METHOD, transactionId, attributes })
  })
  t.is(outcome?.kind, 'integrity-violated')
})

function known(challenge: LongTermChallenge | undefined): { challenge?: LongTermChallenge } {
  return challenge === undefined ? {} : { challenge }
}
