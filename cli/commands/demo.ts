import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { DiagnoseReport } from '../../lib/index.ts'
import { ReachError, isAnythingReachable, peerNetworkOf, predictPair } from '../../lib/index.ts'
import type { DemoPeer } from '../demo/demo-internet.ts'
import { DEMO_PEERS, DemoInternet } from '../demo/demo-internet.ts'
import { diagnoseLoopback } from '../demo/demo-loopback.ts'
import { labAvailability } from '../demo/lab/availability.ts'
import { reexecInUserNamespace } from '../demo/lab/user-namespace.ts'
import { EXIT } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { Output } from '../output.ts'
import { terminalWidth } from '../render/terminal-page.ts'
import { renderTerminalReport } from '../render/terminal-report.ts'
import type { Environment, SettingSpecs } from '../settings.ts'
import { readSettings } from '../settings.ts'
import { writeReportPage } from './diagnose.ts'

const SPECS: SettingSpecs = {
  html: { kind: 'text', flagOnly: true },
  json: { kind: 'flag', flagOnly: true },
}

/** `p2p-reach demo`, typed. */
export interface DemoCommand {
  readonly kind: 'demo'
  readonly htmlFolder: string | undefined
  readonly json: boolean
}

export function parseDemo(argv: readonly string[], env: Environment): DemoCommand {
  const settings = readSettings('demo', SPECS, argv, env)
  const [extra] = settings.positionals
  if (extra !== undefined) {
    throw new ReachError('ERR_REACH_USAGE', `demo takes no argument ${JSON.stringify(extra)}`, {
      hint: 'p2p-reach demo --help',
    })
  }
  return { kind: 'demo', htmlFolder: settings.text('html'), json: settings.flag('json') }
}

/** Diagnoses two hosts of an emulated internet, or the loopback interface where that is not permitted. */
export async function runDemo(command: DemoCommand, output: Output, signal: AbortSignal): Promise<ExitCode> {
  if (command.htmlFolder !== undefined) await mkdir(command.htmlFolder, { recursive: true })
  const availability = await labAvailability({ signal })
  switch (availability.kind) {
    case 'root':
      return new Demo(command, output, signal).inNamespaces()
    case 'user-namespace':
      return exitCode(await reexecInUserNamespace([process.execPath, ...process.argv.slice(1)]))
    case 'unavailable':
      return new Demo(command, output, signal).onLoopback(availability.reason)
  }
}

function exitCode(status: number): ExitCode {
  return Object.values(EXIT).find((code) => code === status) ?? EXIT.failed
}

class Demo {
  readonly #command: DemoCommand
  readonly #output: Output
  readonly #signal: AbortSignal

  constructor(command: DemoCommand, output: Output, signal: AbortSignal) {
    this.#command = command
    this.#output = output
    this.#signal = signal
  }

  async inNamespaces(): Promise<ExitCode> {
    this.#tell('A small internet on this computer: a relay, and two peers behind two different NATs.')
    await using internet = await DemoInternet.open(DEMO_PEERS, this.#signal)
    const reports: DiagnoseReport[] = []
    for (const peer of DEMO_PEERS) {
      this.#tell(`\n── ${peer.name}, ${peer.place} ──`)
      this.#tell(`$ p2p-reach diagnose --relay https://relay.demo.test\n`)
      const report = await internet.diagnose(
        peer,
        (line) => this.#tell(`${peer.name}: ${line}`),
        this.#signal,
      )
      await this.#show(peer.name, report)
      reports.push(report)
    }
    this.#predict(DEMO_PEERS, reports)
    const isWhole = await this.#connect(internet)
    return isWhole && reports.every(isAnythingReachable) ? EXIT.ok : EXIT.failed
  }

  async onLoopback(reason: string): Promise<ExitCode> {
    this.#tell(`No network namespaces here (${reason}).`)
    this.#tell('So without NATs: a relay and one peer on the loopback address.\n')
    const report = await diagnoseLoopback(() => undefined, this.#signal)
    await this.#show('loopback', report)
    return isAnythingReachable(report) ? EXIT.ok : EXIT.failed
  }

  #tell(line: string): void {
    this.#output.say(`${line}\n`)
  }

  async #show(name: string, report: DiagnoseReport): Promise<void> {
    const { colors, unicode, columns } = this.#output
    if (this.#command.json) this.#output.event({ event: 'report', peer: name, report })
    else this.#output.result(renderTerminalReport(report, { colors, unicode, width: terminalWidth(columns) }))
    const { htmlFolder } = this.#command
    if (htmlFolder !== undefined)
      await writeReportPage(join(htmlFolder, `${name}.html`), report, this.#output)
  }

  /** The two find each other by name, and a file goes across. True when it came whole. */
  async #connect(internet: DemoInternet): Promise<boolean> {
    const [from, to] = DEMO_PEERS
    if (from === undefined || to === undefined) return false
    this.#tell(`\n── ${from.name} and ${to.name} connect ──`)
    const report = await internet.transfer(from, to, (line) => this.#tell(line), this.#signal)
    const isWhole = report.sent === report.came
    if (this.#command.json) {
      this.#output.event({ event: 'transfer', from: from.name, to: to.name, isWhole, ...report })
      return isWhole
    }
    const mib = report.bytes / 1024 / 1024
    const perS = mib / (report.ms / 1000)
    this.#output.result(
      [
        `\n${to.name} has the file of ${from.name}: ${mib.toFixed(0)} MiB in ${(report.ms / 1000).toFixed(1)} s (${perS.toFixed(0)} MiB/s)`,
        `by ${report.path}, which can read none of it; a round trip takes ${report.rttMs.toFixed(1)} ms`,
        isWhole
          ? `SHA-256 is the same on both sides: ${report.came.slice(0, 16)}…`
          : 'SHA-256 DIFFERS: the file is damaged',
        '',
      ].join('\n'),
    )
    return isWhole
  }

  /** What the two would get if they dialled each other now. */
  #predict(peers: readonly DemoPeer[], reports: readonly DiagnoseReport[]): void {
    const [one, other] = reports.map(peerNetworkOf)
    if (one === undefined || other === undefined) return
    const { result, why, confidence } = predictPair(one, other)
    const names = peers.map(({ name }) => name)
    if (this.#command.json) {
      this.#output.event({ event: 'prediction', peers: names, result, why, confidence })
      return
    }
    this.#output.result(`\n── ${names.join(' and ')} together ──\n${PREDICTION_WORDS[result]}:\n${why}.\n`)
  }
}

const PREDICTION_WORDS = {
  direct: 'They connect directly',
  'direct-birthday': 'They connect directly after a search for the right port',
  relay: 'They talk through a relay',
} as const
