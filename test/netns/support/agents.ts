import { fileURLToPath } from 'node:url'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import { RunningProgram } from './running-program.ts'

/** Path of a compiled script beside this file, to be run by Node in a namespace. */
export function supportScript(name: string): string {
  return fileURLToPath(new URL(`./${name}`, import.meta.url))
}

/** Opens a UDP socket on a host; see udp-agent.ts for what can be said to it. */
export async function udpAgent(host: LabNode, port: number): Promise<RunningProgram> {
  const agent = new RunningProgram(
    host.spawn(process.execPath, [supportScript('udp-agent.js'), String(port)]),
  )
  await agent.waitForLine(/^ready$/)
  return agent
}

/** Accepts TCP connections on these ports of a host. */
export async function tcpListener(host: LabNode, ports: readonly number[]): Promise<RunningProgram> {
  const agent = new RunningProgram(
    host.spawn(process.execPath, [supportScript('tcp-agent.js'), 'listen', ...ports.map(String)]),
  )
  await agent.waitForLine(/^ready$/)
  return agent
}

/** Dials from a host: `connected`, `timeout`, or the error's code. */
export async function tcpDial(host: LabNode, ip: string, port: number, timeoutMs: number): Promise<string> {
  const { stdout } = await host.exec(process.execPath, [
    supportScript('tcp-agent.js'),
    ...['dial', ip, String(port), String(timeoutMs)],
  ])
  return stdout.trim()
}
