/**
 * Two peers through a relay, end to end, beside what people use instead, in one interleaved run on loopback: bytes per
 * second with 1 and 16 streams (the dialling side uploads), CPU seconds for each GB by process, 1 KiB ping-pong, stream
 * opens per second, and memory for each silent client. Prints each round, then medians (least..most), ratios in the
 * same round, and whether the aims of the project hold. Absolute figures depend on the machine; `tcp` is what the ends
 * can do with nothing in between.
 *
 *   npm run build && npm run build:test && node build/bench/relay.js [ROUNDS] [SECONDS] [CONTENDER...]
 *
 * - library: Peer.connect and Peer.listen, through `p2p-reach relay up`, with no direct path as on one host there would be
 * - library-in-place: the same, but that who counts bytes reads them with `readInPlace`: no fresh memory for what is received
 * - cli: plain TCP programs through `p2p-reach connect`, the relay, `p2p-reach expose`, likewise
 * - tls-haproxy, tls-nginx: mutual TLS 1.3 from end to end (Ed25519, AES-128-GCM) through a proxy that does not look in
 * - ssh: plain TCP programs through `ssh -L`, sshd, `ssh -R`
 * - tcp: the plain TCP programs, directly
 *
 * An open: a stream of one session that the peer has accepted; for the others a connection with its first byte answered.
 * KiB/client: growth of the relay (all its processes) for each client that is connected and silent; `serving`: the same of
 * the other end. `foreign`: the largest part of the machine that others took meanwhile; rounds with more than 8 % (`!`)
 * are left out when three quiet ones remain. Linux only: it reads /proc.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Results } from './relay-bench/aims.ts'
import { aimLines, ratio } from './relay-bench/aims.ts'
import type { Contender, Prepared } from './relay-bench/contenders.ts'
import { CONTENDERS, startContender, whyNot, writeMaterial } from './relay-bench/contenders.ts'
import { runDial } from './relay-bench/dial.ts'
import { COLUMNS, MAX_FOREIGN, ROLES, usable } from './relay-bench/figures.ts'
import type { FigureName, Figures } from './relay-bench/figures.ts'
import { measure } from './relay-bench/measure.ts'
import { makeNetwork } from './relay-bench/own-network.ts'
import { runServe } from './relay-bench/serve.ts'
import { makeSsh } from './relay-bench/ssh.ts'
import { median, row } from './support/statistics.ts'

const SCRIPT = fileURLToPath(import.meta.url)
const WIDTH = 14

async function oneRound(contender: Contender, prepared: Prepared, seconds: number): Promise<Figures> {
  await using running = await startContender(contender, prepared)
  return await measure(running, seconds, contender.startsWith('library'))
}

function cells(of: (key: FigureName) => number): readonly string[] {
  return COLUMNS.map(({ key, digits }) => {
    const value = of(key)
    return Number.isNaN(value) ? '-' : value.toFixed(digits)
  })
}

function printHeader(title: string): void {
  console.log(
    `\n${row(
      title,
      COLUMNS.map((column) => column.title),
      WIDTH,
    )}`,
  )
}

async function compare(rounds: number, seconds: number, contenders: readonly Contender[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'relay-bench-'))
  try {
    await writeMaterial(folder)
    const ssh = contenders.includes('ssh') ? await makeSsh(folder) : undefined
    const prepared = { script: SCRIPT, folder, network: await makeNetwork(folder), ssh }
    console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, node ${process.version}`)
    const results = new Map<Contender, Figures[]>(contenders.map((contender) => [contender, []]))
    printHeader('round')
    for (let i = 1; i <= rounds; i++) {
      for (const contender of contenders) {
        const figures = await oneRound(contender, prepared, seconds)
        results.get(contender)?.push(figures)
        const mark = figures.foreign > MAX_FOREIGN ? ' !' : ''
        console.log(
          row(
            `${i} ${contender}${mark}`,
            cells((key) => figures[key]),
            WIDTH,
          ),
        )
      }
    }
    printSummary(results)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function printSummary(results: Results): void {
  printHeader('median')
  for (const [contender, all] of results) {
    const used = usable(all)
    const values = (key: FigureName) => used.map((one) => one[key])
    console.log(
      row(
        contender,
        cells((key) => median(values(key))),
        WIDTH,
      ),
    )
    const ranges = COLUMNS.map(({ key, digits }) => {
      const [least, most] = [Math.min(...values(key)), Math.max(...values(key))]
      return Number.isNaN(least) ? '-' : `${least.toFixed(digits)}..${most.toFixed(digits)}`
    })
    console.log(row(`  ${used.length} of ${all.length} rounds`, ranges, WIDTH))
  }
  printRatios(results, 'tls-haproxy')
  printRatios(results, 'ssh')
  console.log(`\n${row('CPU s/GB, 1 stream', ROLES, 16)}`)
  for (const [contender, all] of results) {
    const shares = ROLES.map((role) => median(usable(all).map(({ byRole }) => byRole[role] ?? NaN)))
    console.log(
      row(
        contender,
        shares.map((share) => (Number.isNaN(share) ? '-' : share.toFixed(2))),
        16,
      ),
    )
  }
  console.log('\naims (the relay alone beside HAProxy: node build/bench/splice.js)')
  for (const line of aimLines(results)) console.log(line)
}

/** Medians of the ratios in the same round. */
function printRatios(results: Results, base: Contender): void {
  if (!results.has(base)) return
  printHeader(`to ${base}`)
  for (const contender of results.keys()) {
    if (contender === base) continue
    const line = COLUMNS.map(({ key }) =>
      key === 'foreign' ? '' : ratio(results, contender, base, key).toFixed(2).replace('NaN', '-'),
    )
    console.log(row(contender, line, WIDTH))
  }
}

const [mode, ...args] = process.argv.slice(2)
if (mode === 'serve') await runServe(args[0], args[1] ?? '')
else if (mode === 'dial') await runDial(args[0], ...args.slice(1))
else {
  const asked = CONTENDERS.filter((contender) => args.length < 2 || args.slice(1).includes(contender))
  const found = asked.filter((contender) => whyNot(contender) === undefined)
  for (const contender of asked) {
    const reason = whyNot(contender)
    if (reason !== undefined) console.log(`${contender} is left out: ${reason}`)
  }
  await compare(Number(mode ?? 5), Number(args[0] ?? 2), found)
}
