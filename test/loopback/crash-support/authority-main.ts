/**
 * A process to be killed: makes or opens the network of a home folder, then lets members in and shuts them out as fast as
 * it can. It says a thing only when it was promised to somebody.
 *
 *   node authority-main.js HOME
 */
import { writeSync } from 'node:fs'
import { makeCertificateRequest } from '../../../lib/identity/issue/certificate-request.ts'
import { generateKeyPair } from '../../../lib/identity/keys/key-pair.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { parseJoinString } from '../../../lib/protocol/relay/join-string.ts'
import { Authority } from '../../../relay-server/authority/authority.ts'
import { createAuthority, hasAuthority } from '../../../relay-server/authority/create-authority.ts'
import { holdHome } from '../../../relay-server/local-admin.ts'

const home = process.argv[2] ?? ''
const runtime = nodeRuntime()
const { random, clock } = runtime
const RELAYS = [{ host: '127.0.0.1', port: 443 }]
/** Ours: more would only be more of the same. */
const MAX_ROUNDS = 10_000

function say(did: Readonly<Record<string, string | number>>): void {
  writeSync(1, `${JSON.stringify(did)}\n`)
}

await holdHome(home)
say({ did: 'held' })
if (!(await hasAuthority(home))) {
  await createAuthority({ home, label: 'net', externalCa: undefined, random, nowMs: clock.wallMs() })
}
const authority = await Authority.open({ home, random, wallMs: () => clock.wallMs() })
say({ did: 'opened' })
for (let round = 0; round < MAX_ROUNDS; round++) {
  const invite = { name: `peer-${round}`, role: 'peer', uses: 10_000, expiresInMs: 3_600_000 } as const
  const { joinString, tokenId } = await authority.invite(invite, RELAYS, 'test')
  say({ did: 'invited', tokenId })
  const { secret } = parseJoinString(joinString)
  const members = [generateKeyPair(), generateKeyPair()]
  await Promise.all(
    members.map(async (keys) => {
      await authority.enrol(tokenId, secret, await makeCertificateRequest(keys), 'test')
      say({ did: 'enrolled', tokenId, peerId: keys.peerId })
    }),
  )
  const [out] = members
  if (out === undefined) continue
  await authority.revoke(out.peerId, 'test', 'test')
  say({ did: 'revoked', peerId: out.peerId, number: authority.trust.denyList?.number ?? 0 })
}
