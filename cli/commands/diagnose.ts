import { writeFile } from 'node:fs/promises'
import { proxyEnvironment } from '../network-access.ts'
import type { DiagnoseReport } from '../../lib/index.ts'
import { Peer, ReachError, diagnose, isAnythingReachable, parsePeer, parseTargets } from '../../lib/index.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { renderHtmlReport } from '../html/html-report.ts'
import type { Output } from '../output.ts'
import { renderJsonReport } from '../render/json-report.ts'
import { lookFor, wayJson, wayLines } from './way-to-peer.ts'
import type { WayToPeer } from './way-to-peer.ts'
import { LiveProgress } from '../render/live-progress.ts'
import { terminalWidth } from '../render/terminal-page.ts'
import { renderTerminalReport } from '../render/terminal-report.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'

const SPECS: SettingSpecs = {
  relay: { kind: 'list' },
  stun: { kind: 'list' },
  deep: { kind: 'flag' },
  peer: { kind: 'text', flagOnly: true },
  html: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
}

/** `p2p-reach diagnose`, typed. */
export interface DiagnoseCommand {
  readonly kind: 'diagnose'
  readonly relays: readonly string[]
  readonly stun: readonly string[]
  readonly deep: boolean
  /** A member to look for a direct path with; undefined for none. */
  readonly peer: string | undefined
  /** Who has joined a network has a relay that can prove a mapping. */
  readonly home: string
  readonly htmlFile: string | undefined
  readonly json: boolean
}

/** @throws {ReachError} ERR_REACH_USAGE, ERR_REACH_CONFIG, ERR_REACH_ADDRESS */
export function parseDiagnose(argv: readonly string[], env: Environment): DiagnoseCommand {
  const settings = readSettings('diagnose', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `diagnose takes no argument ${JSON.stringify(extra)}`, {
      hint: `name servers with  --stun ${extra}  or  --relay ${extra}`,
    })
  }
  const relays = settings.list('relay')
  const stun = settings.list('stun')
  parseTargets(relays, stun) // so that a mistake is told before anything begins
  const peer = settings.text('peer')
  return {
    kind: 'diagnose',
    relays,
    stun,
    deep: settings.flag('deep'),
    peer: peer === undefined ? undefined : parsePeer(peer),
    home: settings.home,
    htmlFile: settings.text('html'),
    json: settings.flag('json'),
  }
}

export async function runDiagnose(
  command: DiagnoseCommand,
  env: Environment,
  output: Output,
  signal: AbortSignal,
): Promise<ExitCode> {
  const progress = command.json ? undefined : openProgress(output, signal)
  let report: DiagnoseReport
  try {
    const { relays, stun, deep } = command
    await using peer = deep ? await memberOf(command.home) : undefined
    const trial =
      peer === undefined ? {} : { tryMapping: (trialSignal: AbortSignal) => peer.tryMapping(trialSignal) }
    const onProgress = progress === undefined ? {} : { onProgress: progress.handle }
    report = await diagnose({ relays, stun, deep, env, signal, ...onProgress, ...trial })
  } finally {
    progress?.close()
  }
  const way = command.peer === undefined ? undefined : await lookFor(command.home, command.peer, signal)
  output.result(renderReport(report, way, command.json, output))
  if (command.htmlFile !== undefined) await writeReportPage(command.htmlFile, report, output)
  return isAnythingReachable(report) ? EXIT.ok : EXIT.notReachable
}

/** Undefined for who can't be a member just now: that is no matter of this diagnosis. */
async function memberOf(home: string): Promise<Peer | undefined> {
  try {
    return await Peer.open({ home, env: proxyEnvironment() })
  } catch (error) {
    if (ReachError.is(error)) return undefined
    throw error
  }
}

function openProgress(output: Output, signal: AbortSignal): LiveProgress {
  return new LiveProgress(process.stderr, {
    title: 'Looking at this network ...',
    isLive: output.stderrIsTty,
    unicode: output.unicode,
    keepsBlock: false,
    signal,
  })
}

/** @param way to the peer that was asked about */
function renderReport(
  report: DiagnoseReport,
  way: WayToPeer | undefined,
  json: boolean,
  output: Output,
): string {
  if (json) {
    const whole = way === undefined ? report : { ...report, peer: wayJson(way) }
    return renderJsonReport(whole, { pretty: output.stdoutIsTty })
  }
  const { colors, unicode, columns } = output
  const text = renderTerminalReport(report, { colors, unicode, width: terminalWidth(columns) })
  return way === undefined ? text : `${text}\n${wayLines(way).join('\n')}\n`
}

/** @throws {ReachError} ERR_REACH_CONFIG */
export async function writeReportPage(file: string, report: DiagnoseReport, output: Output): Promise<void> {
  try {
    await writeFile(file, renderHtmlReport(report))
  } catch (error) {
    throw new ReachError('ERR_REACH_CONFIG', `cannot write the page to ${file}`, {
      cause: error,
      hint: 'check that the folder exists and may be written to',
    })
  }
  output.say(`p2p-reach: the report as a page: ${file}\n`)
}
