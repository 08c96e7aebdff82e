import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { freePortPair } from '../loopback/relay-support/relay.ts'
import { RunningProgram } from '../netns/support/running-program.ts'
import { folderOf, run, start } from './support/command-line.ts'
import type { Transcript } from './support/command-line.ts'

/* A network from its first day to its last, as a person runs it: every step a process of the command line. */

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

interface Network {
  readonly home: string
  readonly argv: readonly string[]
}

async function networkOf(t: ExecutionContext, ...flags: readonly string[]): Promise<Network> {
  const home = join(folderOf(t), 'relay')
  const tcp = await freePortPair(['127.0.0.1'])
  const stun = await freePortPair(['127.0.0.1'])
  const listen = ['--listen', `127.0.0.1:${tcp}`, '--stun', `127.0.0.1:${stun}`]
  return { home, argv: ['relay', 'up', '--json', '--home', home, ...listen, ...flags] }
}

async function relayUp(t: ExecutionContext, { argv }: Network, shiftMs = 0): Promise<RunningProgram> {
  const relay = new RunningProgram(start(argv, shiftMs))
  t.teardown(() => relay.stop('SIGKILL'))
  await relay.waitForLine(/"event":"ready"/)
  return relay
}

async function invite(
  t: ExecutionContext,
  home: string,
  name: string,
  ...flags: readonly string[]
): Promise<string> {
  const { stdout, stderr, code } = await run(['invite', name, '--home', home, ...flags])
  t.is(code, 0, stderr)
  t.regex(stdout, /^p2pr1[a-z0-9]+\n$/)
  return stdout.trim()
}

/** It ended with that exit code, and told what failed and what to do. */
function failed(
  t: ExecutionContext,
  { stdout, stderr, code }: Transcript,
  expected: number,
  message: RegExp,
): void {
  t.is(code, expected, stderr)
  t.is(stdout, '')
  t.regex(stderr, message)
  t.notRegex(stderr, /\n\s+at /)
}

function membershipIn(home: string): { readonly chain: readonly string[] } {
  const parsed: unknown = JSON.parse(readFileSync(join(home, 'membership.json'), 'utf8'))
  const chain = typeof parsed === 'object' && parsed !== null && 'chain' in parsed ? parsed.chain : undefined
  if (!Array.isArray(chain)) throw new Error('no chain in membership.json')
  return { chain: chain.map(String) }
}

function leafIn(home: string): X509Certificate {
  return new X509Certificate(membershipIn(home).chain[0] ?? '')
}

test.serial('relay up, invite, join, renew, revoke, refused', async (t) => {
  const network = await networkOf(t, '--network', 'office')
  const alice = folderOf(t)
  const relay = await relayUp(t, network)
  t.regex(relay.lines[0] ?? '', /"domain":"office-[a-z0-9]{8}\.p2p-reach\.internal"/)
  t.is(statSync(join(network.home, 'authority', 'root.key')).mode & 0o777, 0o600)

  const joined = await run(['join', await invite(t, network.home, 'alice'), '--home', alice, '--json'])
  t.is(joined.code, 0, joined.stderr)
  t.like(JSON.parse(joined.stdout), { name: 'alice', roles: ['peer'] })
  t.is(statSync(join(alice, 'identity.pem')).mode & 0o777, 0o600)
  const first = leafIn(alice)
  t.regex(first.subjectAltName ?? '', /^DNS:alice\.office-\S+, URI:p2p-reach:\/\/alice\.office-\S+\/peer$/)

  const renewed = await run(['renew', '--home', alice])
  t.is(renewed.code, 0, renewed.stderr)
  t.regex(renewed.stdout, /^renewed alice in office-\S+ until \S+Z\n$/)
  t.not(leafIn(alice).serialNumber, first.serialNumber)
  t.true(leafIn(alice).publicKey.equals(first.publicKey))

  const stay = new RunningProgram(start(['renew', '--stay', '--json', '--home', alice]))
  t.teardown(() => stay.stop('SIGKILL'))
  await stay.waitForLine(/"event":"ready"/)
  const revoked = await run(['revoke', 'alice', '--reason', 'lost notebook', '--home', network.home])
  t.is(revoked.code, 0, revoked.stderr)
  t.deepEqual(await stay.ended, { code: 4, signal: undefined })
  t.regex(stay.stderr, /the key of alice was revoked/)

  failed(t, await run(['renew', '--home', alice]), 4, /revoked/)
  const again = await run(['join', await invite(t, network.home, 'alice'), '--replace', '--home', alice])
  failed(t, again, 4, /was revoked\np2p-reach: hint: move identity\.pem/)
  const status = await run(['relay', 'status', '--home', network.home])
  t.regex(status.stdout, /^alice +peer +[a-z0-9]{8} +revoked$/m)
  t.deepEqual(await relay.stop('SIGINT'), { code: 0, signal: undefined })
  t.false(existsSync(join(network.home, 'relay.sock')))
})

test.serial(
  'a day later: certificates are renewed in time, within the grace, and not after it',
  async (t) => {
    const network = await networkOf(t, '--renew-grace', '3d')
    const alice = folderOf(t)
    const today = await relayUp(t, network)
    t.is((await run(['join', await invite(t, network.home, 'alice'), '--home', alice])).code, 0)
    await today.stop()

    // Two thirds of the day are over: who stays renews by itself.
    const late = 18 * HOUR_MS
    const afternoon = await relayUp(t, network, late)
    const stay = new RunningProgram(start(['renew', '--stay', '--json', '--home', alice], late))
    t.teardown(() => stay.stop('SIGKILL'))
    await stay.waitForLine(/"event":"renewed"/)
    await stay.stop()
    t.true(Date.parse(leafIn(alice).validTo) > Date.now() + late + 23 * HOUR_MS)
    await afternoon.stop()

    // Expired for a day, which the grace of three bears.
    const slept = late + 2 * DAY_MS
    const thirdDay = await relayUp(t, network, slept)
    const renewed = await run(['renew', '--home', alice], slept)
    t.is(renewed.code, 0, renewed.stderr)
    await thirdDay.stop()

    const forgotten = slept + 5 * DAY_MS
    await relayUp(t, network, forgotten)
    failed(
      t,
      await run(['renew', '--home', alice], forgotten),
      1,
      /expired 4\.0 days ago.*\np2p-reach: hint: join again/,
    )
  },
)

test.serial('each way not to get in has its own words', async (t) => {
  const network = await networkOf(t)
  const other = await networkOf(t)
  const relay = await relayUp(t, network)
  await relayUp(t, other)
  const alice = folderOf(t)
  const bob = folderOf(t)
  const string = await invite(t, network.home, 'alice')
  t.is((await run(['join', '-', '--home', alice], 0, `${string}\n`)).code, 0)

  failed(t, await run(['join', string, '--home', bob]), 4, /the join string has been used/)
  failed(t, await run(['join', string.slice(0, -9), '--home', bob]), 2, /cut off or has a typing error/)
  failed(t, await run(['join', 'hello', '--home', bob]), 2, /does not start with p2pr1/)
  failed(t, await run(['join', string, '--home', alice]), 1, /belongs to the network .* as alice/)
  failed(t, await run(['invite', 'alice', '--home', network.home]), 1, /the name alice belongs to/)
  failed(t, await run(['invite', 'a.b', '--home', network.home]), 2, /can't be the name/)
  failed(t, await run(['invite', 'bob', '--home', alice]), 4, /alice is no administrator/)
  failed(t, await run(['invite', 'bob', '--home', bob]), 1, /neither holds a network nor belongs to one/)
  failed(t, await run(['revoke', 'nobody', '--home', network.home]), 1, /no member "nobody"/)

  const short = await invite(t, network.home, 'carol', '--expires', '1s')
  const muchLater = 4 * DAY_MS
  failed(
    t,
    await run(['join', short, '--home', bob], muchLater),
    1,
    /clock is (?:4 d|3 d 23 h) ahead of the relay’s/,
  )
  failed(
    t,
    await run(['join', short, '--home', bob], -muchLater),
    1,
    /clock is (?:4 d|3 d 23 h) behind the relay’s/,
  )

  const taken = relay.lines[0]?.match(/127\.0\.0\.1:[0-9]+/)?.[0] ?? ''
  t.not(taken, '')
  const secondOnHome = await run([...network.argv])
  failed(t, secondOnHome, 1, /another process uses/)
  await relay.stop()
  const wasOpen = await run(['invite', 'dave', '--home', network.home]) // works while the relay is down
  t.is(wasOpen.code, 0, wasOpen.stderr)
  failed(t, await run(['join', wasOpen.stdout.trim(), '--home', bob]), 3, /can’t be reached/)
  await relayUp(t, network, 10_000)
  failed(t, await run(['join', short, '--home', bob]), 4, /the join string expired/)
  t.is((await run(['join', wasOpen.stdout.trim(), '--home', bob])).code, 0)
})

test.serial(
  'an administrator works from anywhere, and rotates the root with a key that the relay never sees',
  async (t) => {
    const network = await networkOf(t)
    const relay = await relayUp(t, network)
    const admin = folderOf(t)
    const alice = folderOf(t)
    t.is(
      (await run(['join', await invite(t, network.home, 'boss', '--role', 'admin'), '--home', admin])).code,
      0,
    )
    const oldKey = join(network.home, 'authority', 'root.key')
    const newKey = join(admin, 'new-root.key')
    t.is((await run(['join', await invite(t, admin, 'alice'), '--home', alice])).code, 0)

    const stay = new RunningProgram(start(['renew', '--stay', '--json', '--home', alice]))
    t.teardown(() => stay.stop('SIGKILL'))
    await stay.waitForLine(/"event":"ready"/)
    const rotated = await run(['root', 'rotate', '--root-key', oldKey, '--out', newKey, '--home', admin])
    t.is(rotated.code, 0, rotated.stderr)
    t.is(statSync(newKey).mode & 0o777, 0o600)
    await stay.waitForLine(/"event":"root-set","number":2,"roots":2/)
    await stay.waitForLine(/"event":"renewed"/)
    failed(
      t,
      await run(['root', 'rotate', '--root-key', oldKey, '--out', newKey, '--home', admin]),
      1,
      /exists already/,
    )
    failed(
      t,
      await run(['root', 'drop', '--root-key', join(alice, 'identity.pem'), '--home', admin]),
      1,
      /not the key of a root/,
    )

    t.is((await run(['renew', '--home', admin])).code, 0) // now the administrator trusts the new root, too
    const dropped = await run(['root', 'drop', '--root-key', newKey, '--home', admin, '--json'])
    t.is(dropped.code, 0, dropped.stderr)
    await stay.waitForLine(/"event":"root-set","number":3,"roots":1/)
    const reissued = await run(['root', 'reissue', '--root-key', newKey, '--home', network.home])
    t.is(reissued.code, 0, reissued.stderr)
    await stay.waitForLine(/"event":"deny-list","number":1/)
    await stay.stop()
    t.is((await run(['renew', '--home', alice])).code, 0)
    t.is((await run(['revoke', 'alice', '--home', admin])).code, 0)
    failed(t, await run(['renew', '--home', alice]), 4, /revoked/)
    t.false(
      readFileSync(join(network.home, 'authority', 'issuing.json'), 'utf8').includes(
        readFileSync(newKey, 'utf8').slice(30, 60),
      ),
    )
    await relay.stop()
  },
)
