import { homedir, userInfo } from 'node:os'
import { join } from 'node:path'

/** What a person's own `ssh` would find on this computer. */
export interface SshSurroundings {
  /** The name of the user that this process runs as. */
  readonly userName: string
  /** The socket of the ssh agent (a named pipe on Windows); undefined when there is none. */
  readonly agent: string | undefined
  /** Key files that ssh tries by itself (ssh_config(5), IdentityFile), whether or not they are there. */
  readonly identityFiles: readonly string[]
  /** Files of known hosts, of the user and of the system. */
  readonly knownHostsFiles: readonly string[]
}

/** The named pipe of OpenSSH's agent on Windows. */
const WINDOWS_AGENT = '\\\\.\\pipe\\openssh-ssh-agent'

export function sshSurroundings(): SshSurroundings {
  const folder = join(homedir(), '.ssh')
  const isWindows = process.platform === 'win32'
  const system = isWindows ? join(process.env['ProgramData'] ?? 'C:\\ProgramData', 'ssh') : '/etc/ssh'
  return {
    userName: userInfo().username,
    agent: process.env['SSH_AUTH_SOCK'] ?? (isWindows ? WINDOWS_AGENT : undefined),
    identityFiles: ['id_ed25519', 'id_ecdsa', 'id_rsa'].map((name) => join(folder, name)),
    knownHostsFiles: [
      join(folder, 'known_hosts'),
      join(folder, 'known_hosts2'),
      join(system, 'ssh_known_hosts'),
    ],
  }
}
