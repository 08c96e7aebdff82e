import { existsSync } from 'node:fs'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import { supportScript } from './agents.ts'
import { RunningProgram } from './running-program.ts'

const [NODE_PORT, SOCAT_PORT] = [4001, 4002]

/** Undefined where a {@link delayTowards} works, else what is missing. Many kernels lack netem, few lack TUN devices. */
export function whyNoDelays(): string | undefined {
  if (!existsSync('/dev/net/tun')) return 'this system has no TUN devices'
  return existsSync('/usr/bin/socat') ? undefined : 'the program socat is missing'
}

/**
 * Packets that a router sends towards these addresses take so much longer from now on. They leave its kernel by a TUN
 * device, wait in a process, and come back by the same device. IPv4; each loses one more of its TTL.
 */
export async function delayTowards(router: LabNode, ips: readonly string[], delayMs: number): Promise<void> {
  const waiting = new RunningProgram(
    router.spawn(process.execPath, [
      ...[supportScript('delay-line-main.js'), String(delayMs), String(NODE_PORT), String(SOCAT_PORT)],
    ]),
  )
  await waiting.waitForLine(/^ready$/)
  const ends = `TUN,tun-type=tun,tun-name=delay0,iff-no-pi,iff-up UDP4-DATAGRAM:127.0.0.1:${NODE_PORT},bind=127.0.0.1:${SOCAT_PORT}`
  const device = new RunningProgram(router.spawn('sh', ['-c', `exec socat -d -d ${ends} 2>&1`]))
  await device.waitForLine(/starting data transfer loop/)
  await router.namespace.ip([
    'route add default dev delay0 table 100',
    // What has waited goes where it would have gone.
    'rule add pref 100 iif delay0 lookup main',
    ...ips.map((ip) => `rule add pref 110 to ${ip} lookup 100`),
  ])
}
