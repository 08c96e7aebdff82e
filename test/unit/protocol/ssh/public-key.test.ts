import test from 'ava'
import fc from 'fast-check'
import { ReachError } from '../../../../lib/base/errors.ts'
import { parseSshPublicKey } from '../../../../lib/protocol/ssh/public-key.ts'

const text = (value: string | Uint8Array) => {
  const bytes = Buffer.from(value as string)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}
const line = (type: string, ...fields: readonly (string | Uint8Array)[]) =>
  `${type} ${Buffer.concat([text(type), ...fields.map(text)]).toString('base64')} somebody@host\n`

const refused = (given: string) => {
  try {
    parseSshPublicKey(given)
    return 'taken'
  } catch (error) {
    return ReachError.is(error, 'ERR_REACH_SSH_KEY') ? error.message : String(error)
  }
}

test('reads a line of id_ed25519.pub, with its fingerprint as ssh-keygen -l prints it', (t) => {
  const { type, fingerprint } = parseSshPublicKey(
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIdHcVOfhRvI//wSzhbQqUnMTy8NNE5zvOg4toyFVony root@vm\n',
  )
  t.is(type, 'ssh-ed25519')
  t.is(fingerprint, 'SHA256:oU5rxvPA4kLVE5cr60mLR1ki7rztAYt95wmSeOp1Qa4')
})

test('refuses what is no key that can log in, and says why', (t) => {
  t.regex(refused(''), /there is no key/)
  t.regex(refused('-----BEGIN OPENSSH PRIVATE KEY-----'), /private key/)
  t.regex(refused(line('ssh-dss', 'x')), /type "ssh-dss"/)
  t.regex(refused(line('ssh-ed25519', Buffer.alloc(31))), /damaged/)
  t.regex(refused(line('ssh-ed25519', Buffer.alloc(32), 'more')), /damaged/)
  t.regex(refused(line('ssh-rsa', 'e', Buffer.alloc(129, 1))), /2048 bits/)
  t.regex(refused(line('ssh-ed25519', Buffer.alloc(32)).repeat(2)), /more than one/)
  t.is(refused(line('ssh-ed25519', Buffer.alloc(32))), 'taken')
  t.is(refused(line('ssh-rsa', 'e', Buffer.alloc(257, 1))), 'taken')
})

test('arbitrary blobs are read or refused, and nothing else', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        (bytes) => !refused(`ssh-ed25519 ${Buffer.from(bytes).toString('base64')}`).includes('Error'),
      ),
    ),
  )
})
