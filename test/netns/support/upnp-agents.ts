import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'
import { supportScript } from './agents.ts'
import { RunningProgram } from './running-program.ts'

/** A UPnP mapper on a host of a lab; see upnp-agent.ts. */
export class UpnpAgent {
  readonly #program: RunningProgram

  private constructor(program: RunningProgram) {
    this.#program = program
  }

  static async open(host: LabNode, family: 'ipv4' | 'ipv6' = 'ipv4'): Promise<UpnpAgent> {
    const program = new RunningProgram(host.spawn(process.execPath, [supportScript('upnp-agent.js'), family]))
    await program.waitForLine(/^ready$/)
    return new UpnpAgent(program)
  }

  /** One command, and the JSON that it is answered with. */
  async ask(command: string): Promise<Record<string, unknown>> {
    this.#program.say(command)
    const [line] = await this.#program.waitForLine(/^\{.*\}$/)
    const answer: unknown = JSON.parse(line)
    return typeof answer === 'object' && answer !== null ? { ...answer } : {}
  }

  async waitForReset(): Promise<void> {
    await this.#program.waitForLine(/^reset$/)
  }
}
