import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { Secret } from '../../../../lib/base/secret.ts'
import { FrameReader, encodeFrame } from '../../../../lib/protocol/relay/control-frame.ts'
import { decodeControlReply } from '../../../../lib/protocol/relay/control-reply.ts'
import { decodeControlRequest } from '../../../../lib/protocol/relay/control-request.ts'
import {
  formatJoinString,
  isJoinString,
  parseJoinString,
} from '../../../../lib/protocol/relay/join-string.ts'

const RUNS = { numRuns: Number(process.env.P2P_REACH_FUZZ_RUNS ?? '300') }

test('frames come out as they went in, whatever the pieces', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.string()), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((message) => encodeFrame({ ...message })))
        const reader = new FrameReader(1_000_000)
        const read: string[] = []
        let at = 0
        for (let turn = 0; at < bytes.length; turn++) {
          const end = at + (cuts[turn % Math.max(1, cuts.length)] ?? 7)
          read.push(...reader.push(bytes.subarray(at, end)))
          at = end
        }
        t.deepEqual(
          read,
          messages.map((message) => JSON.stringify({ ...message })),
        )
      },
    ),
    RUNS,
  )
})

test('a frame over the limit is refused before its body is waited for', (t) => {
  const reader = new FrameReader(16)
  t.throws(() => [...reader.push(Uint8Array.of(0, 0, 0, 17))], { message: /17 bytes, 16 allowed/ })
})

for (const [what, decode] of [
  ['requests', decodeControlRequest],
  ['replies', decodeControlReply],
] as const) {
  test(`${what} of any form are read or refused as undecodable`, (t) => {
    const types = [
      'enrol',
      'authenticate',
      'renew',
      'report',
      'admin',
      'ping',
      'register',
      'open',
      'peers',
      'prove',
      'tried',
      'registered',
      'opening',
      'incoming',
      'superseded',
      'restarting',
      'network',
      'issued',
      'welcome',
      'refused',
    ]
    const message = fc.record(
      { type: fc.oneof(fc.constantFrom(...types), fc.string()) },
      { requiredKeys: [] },
    )
    const fields = fc.dictionary(
      fc.constantFrom(
        'tokenId',
        'secret',
        'request',
        'chain',
        'signature',
        'addresses',
        'roots',
        'denyListNumber',
        'id',
        'op',
        'rootSet',
        'code',
        'timeMs',
        'peer',
        'peers',
        'peerId',
        'name',
        'ticket',
        'generation',
        'delayMs',
        'transport',
        'port',
        'nonce',
        'outcome',
        'seenAs',
        'stunPorts',
        'nat',
      ),
      fc.jsonValue({ maxDepth: 2 }),
    )
    fc.assert(
      fc.property(message, fields, fc.string(), (head, body, raw) => {
        for (const text of [raw, JSON.stringify({ ...body, ...head })]) {
          try {
            decode(text)
          } catch (error) {
            t.true(
              ReachError.is(error, 'ERR_REACH_DECODE') || ReachError.is(error, 'ERR_REACH_USAGE'),
              String(error),
            )
          }
        }
      }),
      RUNS,
    )
    t.pass()
  })
}

const HOST_KEY = `SHA256:${'Ab1+/'.repeat(8)}xyz`

const aJoinString = fc.record({
  rootSha256: fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((bytes) => Buffer.from(bytes).toString('hex')),
  tokenId: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  secret: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  relays: fc.array(
    fc.record({
      host: fc.constantFrom('relay.example.org', '203.0.113.9', '2001:db8::9'),
      port: fc.integer({ min: 1, max: 65_535 }),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  ssh: fc.array(
    fc.constantFrom('bastion.example.org', '[2001:db8::9]:2222').map((at) => `ssh://me@${at}#${HOST_KEY}`),
    { maxLength: 4 },
  ),
})

test('a join string comes back whole, also in capitals and over several lines', (t) => {
  fc.assert(
    fc.property(aJoinString, (parts) => {
      const text = formatJoinString({ ...parts, secret: new Secret(parts.secret) })
      t.true(isJoinString(text))
      for (const pasted of [text, ` ${text.toUpperCase()}\n`, text.replace(/(.{30})/g, '$1\r\n  ')]) {
        const { secret, ...rest } = parseJoinString(pasted)
        t.deepEqual({ ...rest, secret: secret.reveal() }, parts)
      }
    }),
    RUNS,
  )
})

test('a join string of the first version is written where it does, and still read', (t) => {
  const parts = {
    ...{ rootSha256: 'ab'.repeat(32), tokenId: '01'.repeat(8), secret: new Secret('5a'.repeat(16)) },
    relays: [{ host: 'relay.example.org', port: 443 }],
  }
  const first = formatJoinString(parts)
  t.regex(first, /^p2pr1/)
  t.deepEqual(parseJoinString(first), { ...parts, ssh: [] })
  t.regex(formatJoinString({ ...parts, ssh: [`ssh://bastion#${HOST_KEY}`] }), /^p2pr2/)
})

test('a join string with an SSH server of any host key is refused', (t) => {
  const text = formatJoinString({
    ...{ rootSha256: 'ab'.repeat(32), tokenId: '01'.repeat(8), secret: new Secret('5a'.repeat(16)) },
    ...{ relays: [{ host: 'relay.example.org', port: 443 }], ssh: ['ssh://bastion'] },
  })
  t.throws(() => parseJoinString(text), { message: /no SSH server with its host key/ })
})

test('a join string that is cut off or mistyped is refused, and no error quotes it', (t) => {
  const text = formatJoinString({
    ...{ rootSha256: 'ab'.repeat(32), tokenId: '01'.repeat(8), secret: new Secret('5a'.repeat(16)) },
    relays: [{ host: 'relay.example.org', port: 443 }],
  })
  const bad = [
    ...Array.from({ length: text.length - 1 }, (_, length) => text.slice(0, length)),
    ...Array.from({ length: text.length - 5 }, (_, at) => {
      const letter = text[at + 5] === 'y' ? 'b' : 'y'
      return text.slice(0, at + 5) + letter + text.slice(at + 6)
    }),
    `${text}y`,
    text.replace('p2pr1', 'p2pr2'),
    text.replace('p2pr1', 'p2pr3'),
    `${text}!`,
  ]
  for (const one of bad) {
    const error = t.throws(() => parseJoinString(one))
    t.true(ReachError.is(error, 'ERR_REACH_JOIN_STRING'), one)
    t.false(error.message.includes(one.slice(5, 25)) && one.length > 25)
    t.is(error.cause, undefined)
  }
})
