import type { Runtime } from '../base/runtime.ts'
import type { SshUrl } from '../base/ssh-url.ts'

/** How an SSH server is reached. */
export interface SshServerSetup {
  readonly runtime: Runtime
  readonly url: SshUrl
  /** Private keys to try. Default: those that `ssh` tries; an agent is asked first in any case. */
  readonly identityFiles?: readonly string[]
  /** Default: those of the user and of the system. */
  readonly knownHostsFiles?: readonly string[]
  /** Runs this program with these first arguments in place of our own SSH: `['ssh', '-J', 'bastion']`. */
  readonly command?: readonly string[]
}
