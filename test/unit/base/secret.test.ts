import test from 'ava'
import { format, inspect } from 'node:util'
import { Secret } from '../../../lib/base/secret.ts'

const VALUE = 'correct horse battery staple'
const secret = new Secret(VALUE)
const shows: readonly (readonly [string, string])[] = [
  ['a template', `Bearer ${secret.toString()}`],
  ['String()', String(secret)],
  ['concatenation', ''.concat('token=', String(secret))],
  ['JSON', JSON.stringify({ token: secret })],
  ['util.inspect', inspect(secret)],
  [
    'util.inspect of what holds it, with everything shown',
    inspect({ deep: { secret } }, { showHidden: true, depth: 9 }),
  ],
  ['util.format', format('%s %o %O %j', secret, secret, secret, secret)],
  ['its own properties', JSON.stringify(Object.getOwnPropertyDescriptors(secret))],
  ['an error with it as a cause', inspect(new Error('refused', { cause: secret }))],
]

for (const [where, text] of shows) {
  test(`${where} does not show a secret`, (t) => {
    t.false(text.includes('horse'), text)
    if (where !== 'its own properties') t.true(text.includes('[redacted]'), text)
  })
}

test('only reveal() tells it', (t) => {
  t.is(secret.reveal(), VALUE)
})
