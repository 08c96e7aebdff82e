import test from 'ava'
import fc from 'fast-check'
import { hostKeyFingerprint, hostKeyType } from '../../../../lib/protocol/ssh/host-key.ts'
import { judgeHostKey, knownKeysOf } from '../../../../lib/protocol/ssh/known-hosts.ts'

/** By `ssh-keygen -t ed25519` of OpenSSH 9.2, and its fingerprint by `ssh-keygen -l`. */
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFFy5786K8DCvMSKruJiaUMU6VL3UImWxp3vIG0O5w5B'
const BLOB = Buffer.from(KEY.split(' ')[1] ?? '', 'base64')
const FINGERPRINT = 'SHA256:J0R0E05OXM+1UvhxuyFsEvZ+vFj9SR9Vx35XNPdOIOk'
const OTHER = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'
/** By `ssh-keygen -H`: host.example.org, and [host.example.org]:2222. */
const HASHED = `|1|LqzmkjbvPYHYqrvqYPDyVG+YfuY=|iP1kl6MoDuEcsnfApy4LDbIk5Yw= ${KEY}`
const HASHED_2222 = `|1|qcHDFllKAWwMo+PDX1fYWyCSUA4=|FCvbGmGEDi8lJtIRmw4lLZPFBZc= ${KEY}`

const host = { host: 'host.example.org', port: 22 }

function judge(lines: string, at = host, pin?: string) {
  return judgeHostKey(BLOB, knownKeysOf([lines], at), pin)
}

test('the fingerprint and the type of a key are what ssh-keygen says', (t) => {
  t.is(hostKeyFingerprint(BLOB), FINGERPRINT)
  t.is(hostKeyType(BLOB), 'ssh-ed25519')
  t.is(hostKeyType(BLOB.subarray(0, 3)), '')
})

test('names, addresses, patterns and ports', (t) => {
  t.is(judge(`host.example.org ${KEY}`), 'right')
  t.is(judge(`Host.Example.ORG,192.0.2.1 ${KEY} a comment`), 'right')
  t.is(judge(`192.0.2.1,host.example.org\t${KEY}\r`), 'right')
  t.is(judge(`*.example.org ${KEY}`), 'right')
  t.is(judge(`hos?.example.org ${KEY}`), 'right')
  t.is(judge(`*.example.org,!host.example.org ${KEY}`), 'unknown')
  t.is(judge(`host.example ${KEY}`), 'unknown')
  t.is(judge(`host-example.org ${KEY}`), 'unknown')
  t.is(judge(`host.example.org ${KEY}`, { ...host, port: 2222 }), 'unknown')
  t.is(judge(`[host.example.org]:2222 ${KEY}`, { ...host, port: 2222 }), 'right')
  t.is(judge(`[host.example.org]:2222 ${KEY}`), 'unknown')
})

test('hashed names', (t) => {
  t.is(judge(HASHED), 'right')
  t.is(judge(HASHED, { ...host, host: 'other.example.org' }), 'unknown')
  t.is(judge(HASHED_2222, { ...host, port: 2222 }), 'right')
  t.is(judge(HASHED_2222), 'unknown')
})

test('another key is a change, a revoked one is never right, and a pin has the last word but for that', (t) => {
  t.is(judge(`host.example.org ${OTHER}`), 'changed')
  t.is(judge(`host.example.org ${OTHER}\nhost.example.org ${KEY}`), 'right')
  t.is(judge(`host.example.org ${KEY}\n@revoked * ${KEY}`), 'revoked')
  t.is(judge(`@revoked host.example.org ${KEY}`, host, FINGERPRINT), 'revoked')
  t.is(judge('', host, FINGERPRINT), 'right')
  t.is(judge(`host.example.org ${OTHER}`, host, FINGERPRINT), 'right')
  t.is(judge(`host.example.org ${KEY}`, host, FINGERPRINT.replace('J', 'K')), 'changed')
})

test('lines that say nothing are passed over: comments, keys of CAs, torsos', (t) => {
  const [type = '', base64 = ''] = KEY.split(' ')
  for (const line of [
    `# host.example.org ${KEY}`,
    `@cert-authority host.example.org ${KEY}`,
    `@something host.example.org ${KEY}`,
    `host.example.org ${type}`,
    `host.example.org ssh-rsa ${base64}`,
    `host.example.org ${type} ${base64.slice(0, 8)}`,
    `|2|LqzmkjbvPYHYqrvqYPDyVG+YfuY=|iP1kl6MoDuEcsnfApy4LDbIk5Yw= ${KEY}`,
    '|1| ',
  ]) {
    t.is(judge(line), 'unknown', line)
  }
})

test('arbitrary files break nothing and vouch for nothing', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      t.is(judge(`${text}\n`), 'unknown')
    }),
  )
  t.is(judge(`${'*'.repeat(10_000)}x ${KEY}`), 'unknown')
})
