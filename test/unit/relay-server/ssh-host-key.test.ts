import test from 'ava'
import ssh2 from 'ssh2'
import { makeHostKey } from '../../../relay-server/ssh/host-key.ts'

/** One key in 256 of ssh2's own making cannot be read; that none of 2,048 is such a one by luck has a chance of 0.03 %. */
const KEYS = 2048

test('regression: each new host key is readable, whatever its bytes', async (t) => {
  for (let count = 0; count < KEYS; count++) {
    const key = ssh2.utils.parseKey(await makeHostKey())
    t.true(!(key instanceof Error) && key.type === 'ssh-ed25519' && key.isPrivateKey(), String(count))
  }
})
