import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseCommand } from '../../../cli/command.ts'
import { ReachError } from '../../../lib/index.ts'

const env = { P2P_REACH_HOME: '/home/of/nobody' }

function refused(
  t: ExecutionContext,
  argv: readonly string[],
  message: RegExp,
  code = 'ERR_REACH_USAGE',
): void {
  const error = t.throws(() => parseCommand(argv, env), { code, message }, argv.join(' '))
  t.true(ReachError.is(error) && error.hint !== undefined, argv.join(' '))
}

test('expose: targets and their names', (t) => {
  const tcp = (port: number) => ({ kind: 'tcp', endpoint: { host: '127.0.0.1', port } })
  t.like(parseCommand(['expose', '8080'], env), {
    targets: [{ service: '8080', target: tcp(8080) }],
    allow: undefined,
  })
  t.like(parseCommand(['expose', '22', '5432', '--as', 'ssh', '--as', 'db', '--allow', 'bob,carol'], env), {
    targets: [
      { service: 'ssh', target: tcp(22) },
      { service: 'db', target: tcp(5432) },
    ],
    allow: ['bob', 'carol'],
  })
  t.like(parseCommand(['expose', 'unix:/run/My App.sock'], env), { targets: [{ service: 'my-app' }] })
  refused(t, ['expose'], /needs a target/)
  refused(t, ['expose', '80', '--as', 'a', '--as', 'b'], /2 names for 1 target/)
  refused(t, ['expose', 'nonsense'], /nonsense/, 'ERR_REACH_ADDRESS')
  refused(t, ['expose', '8080', '--as', 'no good'], /can’t be the name of a service/, 'ERR_REACH_NAME')
  refused(t, ['expose', '8080', '--allow', 'b b'], /can't be the name of a peer/, 'ERR_REACH_NAME')
})

test('connect: where to, and where to listen', (t) => {
  t.like(parseCommand(['connect', 'Alice/web', '8080'], env), {
    address: 'alice/web',
    listen: { kind: 'tcp', endpoint: { host: '127.0.0.1', port: 8080 } },
  })
  t.like(parseCommand(['connect', 'alice/web'], env), { listen: { kind: 'tcp', endpoint: { port: 0 } } })
  t.like(parseCommand(['connect', 'alice/web', '-'], env), { listen: undefined })
  t.like(parseCommand(['connect', 'alice/web', 'unix:/tmp/x'], env), {
    listen: { kind: 'unix', path: '/tmp/x' },
  })
  refused(t, ['connect'], /needs PEER\/SERVICE/)
  refused(t, ['connect', 'alice'], /which service of which peer/, 'ERR_REACH_NAME')
  refused(t, ['connect', 'alice/web', '80', '81'], /takes no argument "81"/)
  refused(t, ['connect', 'alice/web', '-', '--json'], /no room for --json/)
})

test('ping and peers', (t) => {
  t.like(parseCommand(['ping', 'alice'], env), { peer: 'alice', count: Infinity, intervalMs: 1000 })
  t.like(parseCommand(['ping', 'alice', '--count', '3', '--interval', '0.5'], env), {
    count: 3,
    intervalMs: 500,
  })
  t.like(parseCommand(['peers', '--json'], env), { kind: 'peers', json: true })
  refused(t, ['ping'], /needs one peer/)
  refused(t, ['ping', 'alice', '--count', 'many'], /takes a number above 0/)
  refused(t, ['ping', 'alice', '--count', '0'], /takes a number above 0/)
  refused(t, ['peers', 'alice'], /takes no argument/)
})

test('map: a port, one transport, and perhaps the port outside', (t) => {
  t.like(parseCommand(['map', '25565'], env), { port: 25565, transport: 'tcp', externalPort: undefined })
  t.like(parseCommand(['map', '25565', '--tcp', '--external', '80'], env), {
    transport: 'tcp',
    externalPort: 80,
  })
  t.like(parseCommand(['map', '--udp', '1', '--json'], env), { port: 1, transport: 'udp', json: true })
  refused(t, ['map'], /needs a port/)
  for (const port of ['0', '70000', '65536', 'http', '80.5', '', '0x50', '1e3', ' 80', '80/tcp']) {
    refused(t, ['map', port], /can’t be a port: a number from 1 to 65535/)
    refused(t, ['map', '80', '--external', port], /can’t be --external: a number/)
  }
  refused(t, ['map', '80', '81'], /takes one port/)
  refused(t, ['map', '80', '--tcp', '--udp'], /for TCP or for UDP, not both/)
  refused(t, ['map', '80', '--external'], /external/)
  refused(t, ['map', '80', '--sctp'], /sctp/)
})

test('SSH servers: for expose, connect and ping', (t) => {
  const url = 'ssh://me@host.example:2222'
  for (const words of [
    ['expose', '8080'],
    ['connect', 'alice/web'],
    ['ping', 'alice'],
  ]) {
    t.like(parseCommand(words, env), { ssh: [] })
    t.like(parseCommand([...words, '--relay', url, '--relay', 'ssh://other'], env), {
      ssh: [{ url }, { url: 'ssh://other' }],
    })
  }
  const flags = ['--relay', url, '--ssh-key', '/k', '--ssh-known-hosts', '/h']
  t.like(parseCommand(['ping', 'alice', ...flags, '--ssh-command', `ssh -J 'a b' -o X="y z"`], env), {
    ssh: [
      { url, identityFiles: ['/k'], knownHostsFiles: ['/h'], command: ['ssh', '-J', 'a b', '-o', 'X=y z'] },
    ],
  })
  // The variable is of diagnose, and names relays of another kind.
  t.like(parseCommand(['ping', 'alice'], { ...env, P2P_REACH_RELAY: 'https://relay.example' }), { ssh: [] })
  refused(t, ['ping', 'alice', '--relay', 'https://relay.example'], /takes an SSH server here/)
  refused(t, ['ping', 'alice', '--relay', 'ssh://host/path'], /no URL of an SSH server/, 'ERR_REACH_ADDRESS')
  refused(t, ['ping', 'alice', '--relay', url, '--ssh-command', `ssh 'x`], /is no command/)
})
