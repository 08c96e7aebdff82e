import test from 'ava'
import { runCommand, type CommandResult } from '../../cli/demo/lab/command.ts'
import { supportScript } from './support/agents.ts'
import { canRunLabs } from './support/netns-test.ts'

/* As root these tests take powers and programs away, and see what is missed. */

const declare = canRunLabs ? test : test.skip

/** Root without the powers of root, as in a container. */
const POWERLESS = ['setpriv', '--bounding-set', '-all', '--inh-caps', '-all', '--'] as const

/** A normal user: Debian's `nobody`. */
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'] as const

// Before any test is declared: ava wants them all in one go.
const declareForNobody = canRunLabs && (await canNobodyRunNode()) ? test : test.skip

function runLabUser(entry: readonly string[]): Promise<CommandResult> {
  return runCommand([...entry, process.execPath, supportScript('lab-user.js')])
}

declare('root can open a lab', async (t) => {
  const { stdout } = await runLabUser([])
  t.deepEqual(JSON.parse(stdout), { kind: 'root' })
})

declareForNobody('a normal user opens a lab in a user namespace', async (t) => {
  const { stdout, code, stderr } = await runLabUser(NOBODY)
  const [first = '', ...rest] = stdout.split('\n')
  t.deepEqual(JSON.parse(first), { kind: 'user-namespace' }, stderr)
  t.regex(rest.join('\n'), / 0% packet loss/)
  t.is(code, 7)
})

declare('where user namespaces are not permitted either, the reason says so', async (t) => {
  const forbid = 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"'
  const entry = ['unshare', '--user', '--map-root-user', '--', 'sh', '-c', forbid, 'sh', ...POWERLESS]
  const { stdout } = await runLabUser(entry)
  t.regex(stdout, /"kind":"unavailable","reason":"not permitted to make a network namespace: unshare: /)
})

declare('a missing program is named, with its package', async (t) => {
  const hide = 'for nft in /usr/sbin/nft /sbin/nft; do mount --bind /dev/null $nft; done; exec "$@"'
  const { stdout } = await runLabUser([
    'unshare',
    '--mount',
    '--',
    'sh',
    '-c',
    hide,
    'sh',
    'env',
    'PATH=/usr/bin:/bin',
  ])
  t.deepEqual(JSON.parse(stdout), {
    kind: 'unavailable',
    reason: 'the program nft is missing (Debian package nftables)',
  })
})

declare('a step that fails is named, with what the program said', async (t) => {
  const refuse = 'mount --bind /bin/false /usr/sbin/nft; exec "$@"'
  const { stdout } = await runLabUser(['unshare', '--mount', '--', 'sh', '-c', refuse, 'sh'])
  t.deepEqual(JSON.parse(stdout), {
    kind: 'unavailable',
    reason: 'cannot load a masquerade rule (kernel without nf_tables or nf_nat?): it ended with status 1',
  })
})

/** Not when node or this folder lies in somebody's closed home folder, nor as the root of a user namespace. */
async function canNobodyRunNode(): Promise<boolean> {
  const { code } = await runCommand([...NOBODY, process.execPath, '--check', supportScript('lab-user.js')])
  if (code !== 0) console.warn('nobody cannot run node here: the test as a normal user is skipped')
  return code === 0
}
