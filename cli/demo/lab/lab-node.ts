import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import type { CommandOptions, CommandResult } from './command.ts'
import type { Namespace, ProgramOptions } from './namespace.ts'

/** A machine of the lab, host or router: a place to run programs in. The lab that made it closes it. */
export class LabNode {
  /** The network namespace that it is. */
  readonly namespace: Namespace

  constructor(namespace: Namespace) {
    this.namespace = namespace
  }

  get name(): string {
    return this.namespace.name
  }

  /**
   * Runs a command to its end. How it ended is the result.
   * @throws {ReachError} ERR_REACH_LAB when it cannot be started, ERR_REACH_TIMEOUT
   */
  exec(command: string, args: readonly string[] = [], options: CommandOptions = {}): Promise<CommandResult> {
    return this.namespace.run([command, ...args], options)
  }

  /**
   * Starts a program and leaves it running until it ends, is killed, or the lab closes. Its signals, exit status and
   * three pipes are the program's own; the caller reads the pipes.
   */
  spawn(
    command: string,
    args: readonly string[] = [],
    options: ProgramOptions = {},
  ): ChildProcessWithoutNullStreams {
    return this.namespace.start([command, ...args], options)
  }

  /** Adds nftables rules, to make a filter of one's own. @throws {ReachError} ERR_REACH_LAB */
  nft(rules: string): Promise<void> {
    return this.namespace.nft(rules)
  }
}
