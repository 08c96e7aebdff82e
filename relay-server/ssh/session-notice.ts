import type { ServerChannel, Session } from 'ssh2'

const NOTICE = [
  'There is no shell here: this is a relay of p2p-reach. Add -N, and say what to forward:',
  '  ssh -N -R web:80:localhost:3000 …   lets others reach your port 3000 as "web"',
  '  ssh -N -L 8080:web:80 …             reaches it at your port 8080',
  '',
].join('\r\n')

/** Who asks for a shell, a command or a file is told what there is instead. */
export function noticeInSession(session: Session): void {
  const say = (accept: () => ServerChannel) => {
    const channel = accept()
    channel.on('error', () => undefined)
    channel.stderr.write(NOTICE)
    channel.exit(1)
    channel.end()
  }
  // Refused, it would be one more line that explains nothing.
  session.on('pty', (accept: (() => void) | undefined) => accept?.())
  session.on('shell', say)
  session.on('exec', say)
  session.on('subsystem', say)
}
