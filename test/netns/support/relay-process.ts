import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLI } from '../../../cli/program-files.ts'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import type { DiagnoseReport } from '../../../lib/index.ts'
import { RunningProgram } from './running-program.ts'

/** A `p2p-reach relay up` of its own process on a host of a lab; it ends with the lab. */
export interface RelayProcess {
  readonly program: RunningProgram
  /** `#sha256=…`, to be added to its URLs. */
  readonly pin: string
}

/** Starts a relay with STUN on all `ips` and TCP port 443 on each; resolves when it is ready. */
export async function startRelay(host: LabNode, ips: readonly string[]): Promise<RelayProcess> {
  const home = await mkdtemp(join(tmpdir(), 'p2p-reach-relay-'))
  const bracketed = ips.map((ip) => (ip.includes(':') ? `[${ip}]` : ip))
  const listen = bracketed.flatMap((ip) => ['--listen', `${ip}:443`])
  const stun = bracketed.flatMap((ip) => ['--stun', `${ip}:3478`])
  const argv = [CLI, 'relay', 'up', '--json', '--home', home, ...listen, ...stun]
  const program = new RunningProgram(host.spawn(process.execPath, argv, { env: { PATH: process.env.PATH } }))
  void program.ended.then(() => rm(home, { recursive: true, force: true }))
  const [line] = await program.waitForLine(/^.*"event":"ready".*$/)
  return { program, pin: `#sha256=${/"fingerprint":"([0-9a-f]{64})"/.exec(line)?.[1] ?? ''}` }
}

/** What `p2p-reach diagnose --json` printed and ended with, as a process on a host of a lab. */
export interface DiagnoseRun {
  readonly report: DiagnoseReport
  readonly code: number | undefined
  readonly stderr: string
}

/** Runs `p2p-reach diagnose --json` on a host. */
export async function runDiagnose(host: LabNode, flags: readonly string[]): Promise<DiagnoseRun> {
  const home = await mkdtemp(join(tmpdir(), 'p2p-reach-diagnose-'))
  try {
    const argv = [CLI, 'diagnose', '--json', '--home', home, ...flags]
    const { code, stdout, stderr } = await host.exec(process.execPath, argv, {
      env: { PATH: process.env.PATH },
    })
    if (!stdout.startsWith('{')) throw new Error(`diagnose printed no report: ${stdout}${stderr}`)
    // Its own schema is what these tests look at.
    return { report: JSON.parse(stdout) as DiagnoseReport, code, stderr }
  } finally {
    await rm(home, { recursive: true, force: true })
  }
}
