import { generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { issueIntermediate, issueLeaf, issueRoot } from '../../lib/identity/issue/certificate-profiles.ts'
import { spkiOf } from '../../lib/identity/issue/signing-key.ts'
import { privateKeyPem } from '../../lib/identity/keys/key-pair.ts'
import { PEER_ALPN } from '../../lib/identity/tls/secure-channel.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'

/** What the names of the benched network end in. */
export const DOMAIN = 'bench.example'

export type KeyType = 'Ed25519' | 'P-256' | 'RSA-2048'
export const KEY_TYPES: readonly KeyType[] = ['Ed25519', 'P-256', 'RSA-2048']

/** What both processes are given: a chain with its key, and the root. */
export interface Material {
  readonly chainPem: string
  readonly keyPem: string
  readonly rootPem: string
}

/** A new private key. */
export function drawKey(type: KeyType): KeyObject {
  switch (type) {
    case 'Ed25519':
      return generateKeyPairSync('ed25519').privateKey
    case 'P-256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    case 'RSA-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  }
}

/** A peer of a network whose keys are all of that type. */
export async function materialOf(type: KeyType): Promise<Material> {
  const nowMs = nodeRuntime().clock.wallMs()
  const [rootKey, issuingKey, key] = [drawKey(type), drawKey(type), drawKey(type)]
  const root = await issueRoot(DOMAIN, rootKey, nowMs)
  const above = { certificate: root, privateKey: rootKey }
  const intermediate = await issueIntermediate(DOMAIN, spkiOf(issuingKey), above, nowMs)
  const issuer = { certificate: intermediate, privateKey: issuingKey }
  const leaf = await issueLeaf(
    { name: 'peer', domain: DOMAIN, roles: ['peer'], spki: spkiOf(key) },
    issuer,
    nowMs,
  )
  return { chainPem: leaf.pem + intermediate.pem, keyPem: privateKeyPem(key), rootPem: root.pem }
}

/** Mutual TLS 1.3 without anything of ours. */
export function bareOptions({ chainPem, keyPem, rootPem }: Material) {
  const version = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const
  return { cert: chainPem, key: keyPem, ca: rootPem, ALPNProtocols: [PEER_ALPN], ...version }
}

/** Reads the material that a parent process writes to our stdin. */
export async function readMaterial(): Promise<Material> {
  const chunks: Uint8Array[] = []
  for await (const chunk of process.stdin) if (chunk instanceof Uint8Array) chunks.push(chunk)
  return parseMaterial(Buffer.concat(chunks).toString())
}

/** Reads what `JSON.stringify` made of a {@link Material}. */
export function parseMaterial(json: string): Material {
  const value: unknown = JSON.parse(json)
  const text = (field: string): string => {
    const found: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, field) : undefined
    return typeof found === 'string' ? found : ''
  }
  return { chainPem: text('chainPem'), keyPem: text('keyPem'), rootPem: text('rootPem') }
}
