import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import { RunningProgram } from './running-program.ts'

/** Where coturn serves RFC 5780: both ports on both addresses of each family. */
export const STUN_PORT = 3478
export const ALTERNATE_STUN_PORT = 3479

/** Ours: how often to ask a coturn that is starting. */
const MAX_READINESS_CHECKS = 50

/**
 * Starts coturn as a STUN server (RFC 8489, RFC 5780) on a host of a lab; resolves when it answers. It ends with the
 * lab.
 * @param ips addresses of the host; RFC 5780 needs two of a family
 */
export async function startCoturn(host: LabNode, ips: readonly string[]): Promise<RunningProgram> {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-reach-coturn-'))
  const program = new RunningProgram(
    host.spawn('turnserver', [
      '-n',
      ...ips.flatMap((ip) => ['-L', ip]),
      ...['-p', String(STUN_PORT), '--alt-listening-port', String(ALTERNATE_STUN_PORT), '--stun-only'],
      ...['--no-cli', '--no-tls', '--no-dtls', '--log-file', 'stdout', '--simple-log'],
      ...['--pidfile', join(folder, 'pid'), '--db', join(folder, 'db')],
    ]),
  )
  void program.ended.then(() => rm(folder, { recursive: true, force: true }))
  await program.waitForLine(/Total General servers/)
  for (const ip of ips) await waitForAnswer(host, ip)
  return program
}

/** Its sockets are open some time before its threads read them. Its own client asks once and waits for seconds. */
async function waitForAnswer(host: LabNode, ip: string): Promise<void> {
  for (let check = 0; check < MAX_READINESS_CHECKS; check++) {
    const { code } = await host.exec('turnutils_stunclient', ['-p', String(STUN_PORT), ip])
    if (code === 0) return
  }
  throw new Error(`coturn does not answer on ${ip}`)
}
