import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseCommand } from '../../../cli/command.ts'
import type { Command } from '../../../cli/command.ts'
import { USAGE } from '../../../cli/usage.ts'
import { VERSION } from '../../../cli/version.ts'
import { ReachError } from '../../../lib/base/errors.ts'

/** Nobody's settings. */
const ENV = { P2P_REACH_HOME: join(tmpdir(), 'p2p-reach-no-such-home') }

function parse(...argv: readonly string[]): Command {
  return parseCommand(argv, ENV)
}

function relayUp(...argv: readonly string[]): Extract<Command, { kind: 'relay-up' }> {
  const command = parse('relay', 'up', ...argv)
  if (command.kind !== 'relay-up') throw new Error(`${command.kind} is another command`)
  return command
}

function refused(
  t: ExecutionContext,
  argv: readonly string[],
  code: string,
  message: RegExp,
  hint: RegExp,
): void {
  const error = t.throws(() => parse(...argv), { code, message })
  t.regex(ReachError.is(error) ? (error.hint ?? 'no hint') : 'no hint', hint)
}

test('help and version print, whatever else is there', (t) => {
  const prints = (argv: readonly string[], text: string) =>
    t.deepEqual(parse(...argv), { kind: 'print', text })
  for (const word of ['--help', '-h', 'help']) prints([word], USAGE.main)
  for (const word of ['--version', '-v']) prints([word], `${VERSION}\n`)
  prints(['diagnose', '--help'], USAGE.diagnose)
  prints(['diagnose', '--nonsense', '-h'], USAGE.diagnose)
  prints(['relay', 'up', '--help'], USAGE['relay-up'])
  prints(['relay', '--help'], USAGE['relay-up'])
  prints(['demo', '--help'], USAGE.demo)
})

test('no command and half a command are usage errors', (t) => {
  refused(t, [], 'ERR_REACH_USAGE', /^no command given$/, /p2p-reach diagnose/)
  refused(
    t,
    ['relay'],
    'ERR_REACH_USAGE',
    /^relay needs a word after it$/,
    /^p2p-reach relay up, {2}p2p-reach relay status {2}or {2}p2p-reach relay ssh-key$/,
  )
  refused(
    t,
    ['relay', 'down'],
    'ERR_REACH_USAGE',
    /^unknown command "relay down"$/,
    /^p2p-reach relay up, {2}p2p-reach relay status {2}or {2}p2p-reach relay ssh-key$/,
  )
})

test('a typo is met with the command that it may mean, anything else with the list', (t) => {
  for (const [typo, meant] of [
    ['diagnos', 'diagnose'],
    ['daignose', 'diagnose'],
    ['rely', 'relay up'],
    ['demmo', 'demo'],
  ] as const)
    refused(
      t,
      [typo],
      'ERR_REACH_USAGE',
      new RegExp(`^unknown command "${typo}"$`),
      new RegExp(`^did you mean {2}p2p-reach ${meant}$`),
    )
  for (const word of ['', 'teleport', '--relay', 'x'.repeat(10_000)])
    refused(t, [word], 'ERR_REACH_USAGE', /^unknown command /, /--help lists the commands$/)
})

test('an argument without its flag is met with the flag', (t) => {
  refused(
    t,
    ['diagnose', 'stun.example.org'],
    'ERR_REACH_USAGE',
    /takes no argument/,
    /--stun stun\.example\.org/,
  )
  refused(
    t,
    ['relay', 'up', '0.0.0.0:443'],
    'ERR_REACH_USAGE',
    /takes no argument/,
    /--listen 0\.0\.0\.0:443/,
  )
  refused(t, ['demo', 'now'], 'ERR_REACH_USAGE', /takes no argument "now"/, /demo --help/)
})

test('diagnose: servers, depth and what is written', (t) => {
  t.deepEqual(
    parse(
      'diagnose',
      '--relay',
      'https://a',
      '--relay',
      'b',
      '--stun',
      'c:1',
      '--deep',
      '--html',
      'r.html',
      '--json',
    ),
    {
      kind: 'diagnose',
      relays: ['https://a', 'b'],
      stun: ['c:1'],
      deep: true,
      peer: undefined,
      home: ENV.P2P_REACH_HOME,
      htmlFile: 'r.html',
      json: true,
    },
  )
  t.deepEqual(parse('diagnose'), {
    kind: 'diagnose',
    relays: [],
    stun: [],
    deep: false,
    peer: undefined,
    home: ENV.P2P_REACH_HOME,
    htmlFile: undefined,
    json: false,
  })
})

test('relay up: without addresses it takes the well-known ports of both families', (t) => {
  const command = relayUp()
  t.deepEqual(command.listen, [
    { host: '0.0.0.0', port: 443 },
    { host: '::', port: 443 },
  ])
  t.deepEqual(command.stun, [
    { host: '0.0.0.0', port: 3478 },
    { host: '::', port: 3478 },
  ])
  t.deepEqual(command.areDefault, { listen: true, stun: true })
  t.deepEqual(command.tls, { kind: 'own' })
  t.is(command.admin, undefined)
})

test('relay up: how long paths may go on when it ends', (t) => {
  t.is(relayUp().drainMs, undefined)
  t.is(relayUp('--drain', '0s').drainMs, 0)
  t.is(relayUp('--drain', '2m').drainMs, 120_000)
  for (const text of ['', 'soon', '5', '-1s'])
    refused(t, ['relay', 'up', `--drain=${text}`], 'ERR_REACH_USAGE', /is no span of time$/, /--drain 90s/)
})

test('relay up: addresses with and without port, IPv6 with and without brackets', (t) => {
  const argv = [
    '--listen',
    '127.0.0.1',
    '--listen',
    '[::1]:8443',
    '--stun',
    '2001:DB8::1',
    '--admin',
    '127.0.0.1:9100',
  ]
  const command = relayUp(...argv)
  t.deepEqual(command.listen, [
    { host: '127.0.0.1', port: 443 },
    { host: '::1', port: 8443 },
  ])
  t.deepEqual(command.stun, [{ host: '2001:db8::1', port: 3478 }])
  t.deepEqual(command.areDefault, { listen: false, stun: false })
  t.deepEqual(command.admin, { host: '127.0.0.1', port: 9100 })
})

test('relay up: what is no address is an error with a hint', (t) => {
  for (const text of ['', ':443', '1.2.3:443', '127.0.0.1:0', '127.0.0.1:65536', '[::1', 'a b:1', '-']) {
    refused(t, ['relay', 'up', `--listen=${text}`], 'ERR_REACH_ADDRESS', /is not a host and port$/, /./)
    refused(t, ['relay', 'up', `--stun=${text}`], 'ERR_REACH_ADDRESS', /is not a host and port$/, /./)
  }
  refused(
    t,
    ['relay', 'up', '--admin', '127.0.0.1'],
    'ERR_REACH_ADDRESS',
    /is not a host and port$/,
    /127\.0\.0\.1:PORT/,
  )
})

test('relay up: --advertise says which public address belongs to which own one', (t) => {
  const command = relayUp('--advertise', '10.0.0.5=203.0.113.9', '--advertise', 'FD00::5=2001:DB8::9')
  t.deepEqual(
    [...command.advertised],
    [
      ['10.0.0.5', '203.0.113.9'],
      ['fd00::5', '2001:db8::9'],
    ],
  )
  for (const text of ['203.0.113.9', '10.0.0.5=', 'a=b=c', '='])
    refused(t, ['relay', 'up', '--advertise', text], 'ERR_REACH_USAGE', /which IP is which$/, /OWN=PUBLIC/)
  for (const text of ['10.0.0.5=relay.example.org', 'eth0=203.0.113.9', '=203.0.113.9'])
    t.throws(() => relayUp('--advertise', text), { code: 'ERR_REACH_ADDRESS' })
})

test('relay up: a certificate needs its key, and no TLS needs neither', (t) => {
  t.deepEqual(relayUp('--tls-cert', 'c.pem', '--tls-key', 'k.pem').tls, {
    kind: 'files',
    certificateFile: 'c.pem',
    keyFile: 'k.pem',
  })
  t.deepEqual(relayUp('--no-tls').tls, { kind: 'none' })
  for (const flag of ['--tls-cert', '--tls-key'])
    refused(
      t,
      ['relay', 'up', flag, 'x.pem'],
      'ERR_REACH_USAGE',
      /^a certificate needs its key$/,
      /--tls-cert and --tls-key/,
    )
})
