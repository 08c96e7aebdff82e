import test from 'ava'
import type { ExecutionContext } from 'ava'
import { createPrivateKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peerIdOf } from '../../../../lib/base/peer-id.ts'
import { openKeyFile, readKeyFile } from '../../../../lib/identity/keys/key-file.ts'
import {
  generateKeyPair,
  keyPairOf,
  privateKeyFromPem,
  privateKeyPem,
} from '../../../../lib/identity/keys/key-pair.ts'
import { newKey, refusal, rejection } from '../../../support/identity.ts'

async function aPath(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'identity-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'home', 'identity.pem')
}

/** RFC 8032 §7.1 TEST 1 as PKCS #8 (RFC 8410 §7). */
const SEED = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60'
const PUBLIC = 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a'

test('the PeerId of a private key is its public key (RFC 8032 §7.1 TEST 1)', (t) => {
  const pkcs8 = Buffer.from(`302e020100300506032b657004220420${SEED}`, 'hex')
  const keys = keyPairOf(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }))
  t.is(keys.peerId, peerIdOf(Buffer.from(PUBLIC, 'hex')))
})

test('a new key is another one each time, and its halves belong together', (t) => {
  const [one, other] = [generateKeyPair(), generateKeyPair()]
  t.not(one.peerId, other.peerId)
  const message = Buffer.from('hello')
  t.true(verify(null, message, one.publicKey, sign(null, message, one.privateKey)))
})

test('keys of another type are ERR_REACH_KEY_FILE and say how to make one', (t) => {
  for (const key of [newKey('P-256'), newKey('RSA-2048'), generateKeyPairSync('x25519').privateKey]) {
    const error = refusal(t, () => keyPairOf(key), 'ERR_REACH_KEY_FILE')
    t.regex(error.hint ?? '', /openssl genpkey -algorithm ed25519/)
  }
})

test('PEM that holds no key is ERR_REACH_KEY_FILE and never quotes it', (t) => {
  const pem = privateKeyPem(generateKeyPair().privateKey)
  const encrypted = generateKeyPair()
    .privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString()
  const secret = pem.slice(40, 80)
  for (const text of ['', 'secret', pem.slice(0, 60), pem.replace('M', '?'), encrypted]) {
    const error = refusal(t, () => privateKeyFromPem(text, '/home/key'), 'ERR_REACH_KEY_FILE', /\/home\/key/)
    t.false(`${error.message} ${error.hint ?? ''} ${String(error.cause)}`.includes(secret))
  }
  t.regex(refusal(t, () => privateKeyFromPem(encrypted, 'k'), 'ERR_REACH_KEY_FILE').hint ?? '', /passphrase/)
})

test('a key file is made on first use, mode 0600, and read from then on', async (t) => {
  const path = await aPath(t)
  t.is(await readKeyFile(path), undefined)
  const made = await openKeyFile(path)
  t.is((await stat(path)).mode & 0o777, 0o600)
  t.is((await openKeyFile(path)).peerId, made.peerId)
  t.is((await readKeyFile(path))?.peerId, made.peerId)
})

test('of several that make one at the same time, all end up with that of the first', async (t) => {
  const path = await aPath(t)
  const opened = await Promise.all(Array.from({ length: 16 }, () => openKeyFile(path)))
  const kept = (await readKeyFile(path))?.peerId
  t.deepEqual(
    opened.map(({ peerId }) => peerId),
    opened.map(() => kept),
  )
  t.deepEqual(await readdir(join(path, '..')), ['identity.pem'])
})

test('a key that others can read is refused, and not replaced; the option forces it', async (t) => {
  const path = await aPath(t)
  const { peerId } = await openKeyFile(path)
  await chmod(path, 0o644)
  await rejection(t, readKeyFile(path), 'ERR_REACH_KEY_FILE_OPEN')
  await rejection(t, openKeyFile(path), 'ERR_REACH_KEY_FILE_OPEN')
  t.is((await openKeyFile(path, { allowOpenPermissions: true })).peerId, peerId)
})

test('a damaged or foreign key is ERR_REACH_KEY_FILE, and stays as it is', async (t) => {
  const path = await aPath(t)
  await openKeyFile(path)
  for (const content of ['', 'nonsense', privateKeyPem(newKey('P-256'))]) {
    await writeFile(path, content)
    await rejection(t, openKeyFile(path), 'ERR_REACH_KEY_FILE')
    t.is(await readFile(path, 'utf8'), content)
  }
})
