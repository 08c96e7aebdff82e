import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../support/relay-programs.ts'

/** An sshd of our own: keys and settings in a folder, nothing of the user's or the system's. */
export interface SshSetup {
  readonly port: number
  readonly serverConfig: string
  readonly clientConfig: string
}

/** Draws keys, and writes settings as two peers behind NATs would have them who meet at a server. */
export async function makeSsh(folder: string): Promise<SshSetup> {
  // Debian's sshd of root wants this folder, which its service makes.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true })
  const port = await freePort()
  const [hostKey, userKey] = [join(folder, 'ssh-host-key'), join(folder, 'ssh-user-key')]
  for (const file of [hostKey, userKey]) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'bench', '-f', file])
  }
  const known = join(folder, 'ssh-known-hosts')
  writeFileSync(known, `[127.0.0.1]:${port} ${readFileSync(`${hostKey}.pub`, 'utf8')}`)
  const serverConfig = join(folder, 'sshd-config')
  writeFileSync(
    serverConfig,
    lines({
      Port: port,
      ListenAddress: '127.0.0.1',
      HostKey: hostKey,
      PidFile: 'none',
      AuthorizedKeysFile: `${userKey}.pub`,
      StrictModes: 'no',
      UsePAM: 'no',
      PasswordAuthentication: 'no',
      PermitRootLogin: 'prohibit-password',
      AllowTcpForwarding: 'yes',
      MaxStartups: 1000,
      LogLevel: 'QUIET',
    }),
  )
  const clientConfig = join(folder, 'ssh-config')
  writeFileSync(
    clientConfig,
    lines({
      Port: port,
      User: userInfo().username,
      IdentityFile: userKey,
      IdentitiesOnly: 'yes',
      UserKnownHostsFile: known,
      GlobalKnownHostsFile: '/dev/null',
      StrictHostKeyChecking: 'yes',
      Ciphers: 'aes128-gcm@openssh.com',
      ExitOnForwardFailure: 'yes',
      BatchMode: 'yes',
      ControlMaster: 'no',
    }),
  )
  return { port, serverConfig, clientConfig }
}

/** The server, in the foreground. */
export function sshdCommand({ serverConfig }: SshSetup): [string, string[]] {
  return ['/usr/sbin/sshd', ['-D', '-e', '-f', serverConfig]]
}

/** A client that only forwards. */
export function sshCommand(
  { clientConfig }: SshSetup,
  flag: '-L' | '-R',
  forward: string,
): [string, string[]] {
  return ['ssh', ['-F', clientConfig, '-N', '-T', flag, forward, '127.0.0.1']]
}

function lines(settings: Readonly<Record<string, string | number>>): string {
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value}\n`)
    .join('')
}
