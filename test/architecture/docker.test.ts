import test from 'ava'
import { USAGE } from '../../cli/usage.ts'
import { flowLists, networkOf, reachCalls, section, servicesOf } from './compose-file.ts'
import { readRepositoryFile } from './source-tree.ts'

const dockerfile = readRepositoryFile('docker/Dockerfile') ?? ''
const compose = readRepositoryFile('docker/compose.yml') ?? ''
const services = servicesOf(compose)
const usage = Object.values(USAGE).join('\n')

test('what the Dockerfile runs is in the usage text of the CLI', (t) => {
  t.regex(dockerfile, /^ENTRYPOINT \["p2p-reach"\]$/m)
  const [, command = ''] = /^CMD (\[.*\])$/m.exec(dockerfile) ?? []
  t.is(command, '["relay", "up"]')
  t.true(usage.includes('p2p-reach relay up'))
})

test('the ports that the image names are the default ones of relay up', (t) => {
  const [, exposed = ''] = /^EXPOSE (.*)$/m.exec(dockerfile) ?? []
  t.deepEqual(exposed.split(' '), ['443/tcp', '3478/udp', '3479/udp'])
  t.regex(USAGE['relay-up'], /default 0\.0\.0\.0:443 /)
  t.regex(USAGE['relay-up'], /default 0\.0\.0\.0:3478 .*\n.*\n?.*the next port is used as well/)
})

test('variables that the image sets are settings of relay up', (t) => {
  const names = [...dockerfile.matchAll(/P2P_REACH_(\w+)=/g)].map(([, name = '']) => name)
  t.deepEqual(names, ['HOME', 'ADMIN'])
  for (const name of names)
    t.true(USAGE['relay-up'].includes(`--${name.toLowerCase().replaceAll('_', '-')} `))
})

test('commands and flags of p2p-reach in compose.yml are in the usage text of the CLI', (t) => {
  const calls = [...services.values()].flatMap(reachCalls)
  t.true(calls.length >= 5)
  for (const call of calls) {
    const [word = ''] = call
    t.regex(usage, new RegExp(`^.*p2p-reach ${word === 'relay' ? call.slice(0, 2).join(' ') : word}\\b`, 'm'))
    for (const flag of call.filter((one) => /^--\w/.test(one))) t.true(usage.includes(`${flag} `), flag)
  }
})

test('services, volumes and networks that compose.yml refers to exist', (t) => {
  const volumes = section(compose, 'volumes')
  for (const [name, text] of services) {
    const needed = [
      ...text.matchAll(/^ {6}([\w-]+):\n {8}condition:/gm),
      ...text.matchAll(/service:([\w-]+)$/gm),
    ]
      .map((match) => match[1] ?? '')
      .concat(flowLists(text, 'depends_on').flat())
    for (const other of needed) t.true(services.has(other), `${name} needs ${other}`)
    for (const [, volume = ''] of text.matchAll(/^ {6}- ([\w-]+):\//gm))
      t.regex(volumes, new RegExp(`^ {2}${volume}:`, 'm'), `${name} mounts ${volume}`)
    for (const [, network = '', ip = ''] of text.matchAll(/^ {6}([\w-]+):\n {8}ipv4_address: (\S+)$/gm))
      t.is(ip.replace(/\.\d+$/, '.0/24'), networkOf(compose, network) ?? '', `${name} in ${network}`)
  }
})

test('peers of the demo have no way around their NATs, and no rights', (t) => {
  for (const [name, router] of [
    ['host-a', 'router-a'],
    ['host-b', 'router-b'],
  ] as const) {
    const [, gateway = ''] = /ROUTER: (\S+)/.exec(services.get(name) ?? '') ?? []
    t.true(services.get(router)?.includes(`ipv4_address: ${gateway}\n`))
    t.false(services.get(name)?.includes('public:'))
  }
  for (const name of ['alice', 'bob', 'alice-joins', 'bob-joins', 'invitations', 'web', 'browser'])
    t.regex(services.get(name) ?? '', /<<: \*reach/)
  t.regex(compose, /^x-reach: &reach\n(?: {2}.*\n)*? {2}cap_drop: \[ALL\]$/m)
})

test('no secret stands in a command of compose.yml', (t) => {
  t.notRegex(compose, /p2pr1/)
  t.regex(compose, /p2p-reach join - < /)
  t.notRegex(compose, /p2p-reach join (?!- <)/)
})
