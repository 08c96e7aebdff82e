import { fileURLToPath } from 'node:url'
import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import { RunningProgram } from './running-program.ts'

/** Path of a compiled script beside this file, to be run by Node in a namespace. */
export function supportScript(name: string): string {
  return fileURLToPath(new URL(`./${name}`, import.meta.url))
}

/** A UDP socket on a host of a lab, driven from here. */
export class UdpAgent {
  readonly #program: RunningProgram

  private constructor(program: RunningProgram) {
    this.#program = program
  }

  static async open(host: LabNode, port: number): Promise<UdpAgent> {
    const program = new RunningProgram(
      host.spawn(process.execPath, [supportScript('udp-agent.js'), String(port)]),
    )
    await program.waitForLine(/^ready$/)
    return new UdpAgent(program)
  }

  /** What it received so far, as `IP PORT TEXT`. */
  get received(): readonly string[] {
    return this.#program.lines.filter((line) => line.startsWith('got ')).map((line) => line.slice(4))
  }

  /** Resolves once the kernel has the packet: what is sent after that, by whomever, comes after it. */
  async send(ip: string, port: number, text: string): Promise<void> {
    this.#program.say(`send ${ip} ${port} ${text}`)
    await this.#program.waitForLine(new RegExp(`^sent ${text}$`))
  }

  /** Where the next packet with this text came from, as `IP PORT`. */
  async source(text: string): Promise<string> {
    const match = await this.#program.waitForLine(new RegExp(`^got (\\S+ \\d+) ${text}$`))
    return match[1] ?? ''
  }
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
