import { runInNewContext } from 'node:vm'
import test from 'ava'
import { scavenge } from '../../../lib/net/scavenge.ts'
import { scavengesDuring } from '../../support/scavenges.ts'

test.serial('V8 scavenges, each time', async (t) => {
  const scavenges = await scavengesDuring(() => {
    for (let i = 0; i < 100; i++) scavenge()
  })
  t.true(scavenges >= 100, `${scavenges} scavenges`)
  t.true(scavenges < 110, `${scavenges} scavenges`)
})

test.serial('a program does not see how', (t) => {
  scavenge()
  t.is(runInNewContext('typeof gc'), 'undefined')
  t.false('gc' in globalThis)
})
