import { deadlineSignal } from '../base/deadline.ts'
import { ReachError } from '../base/errors.ts'
import { formatSshUrl } from '../base/ssh-url.ts'
import { startHelper } from '../net/helper-program.ts'
import { forwardingRefused, sshLost, sshUnreachable } from './ssh-errors.ts'
import type { SshServerSetup } from './ssh-options.ts'

/** Ours: from the start to being logged in, hosts to jump over included. */
const LOGIN_TIMEOUT_MS = 20_000
/** Ours: enough to know what went wrong. */
const MAX_COMPLAINTS = 20

/**
 * Behind the words of the person, whose options come first and win. Nobody is there to answer questions; what is silent
 * is gone; a connection of its own, for it ends with it; and progress is told on stderr.
 */
const OPTIONS: readonly string[] = [
  ...['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ExitOnForwardFailure=yes', 'ConnectTimeout=12'],
  ...['ServerAliveInterval=5', 'ServerAliveCountMax=3', 'ControlMaster=no', 'ControlPath=none'],
  ...['PermitLocalCommand=no', 'LogLevel=DEBUG1'],
].flatMap((option) => ['-o', option])

/** The system's ssh at work. */
export interface RunningSsh {
  /** Resolves when it has ended, with the reason. Never rejects. */
  readonly lost: Promise<ReachError>
  stop(): void
}

/**
 * Starts the system's ssh with forwardings. Resolves when it is logged in and all of them are there.
 * @throws {ReachError} ERR_REACH_SSH_…, ERR_REACH_SOCKET when it can't be run, the signal's reason
 */
export async function startSsh(
  setup: SshServerSetup,
  forwardings: readonly string[],
  signal: AbortSignal,
): Promise<RunningSsh> {
  const { runtime, url } = setup
  const complaints: string[] = []
  using deadline = deadlineSignal(runtime.clock, LOGIN_TIMEOUT_MS, signal)
  let told: () => void = () => undefined
  const isReady = new Promise<'ready'>((resolve) => (told = () => resolve('ready')))
  // Each `-R` is confirmed by a line of its own.
  let missing = forwardings.filter((word) => word === '-R').length
  let isInSession = false
  const onLine = (line: string) => {
    if (line.includes('remote forward success for')) missing--
    if (line.includes('Entering interactive session')) isInSession = true
    if (isInSession && missing <= 0) told()
    if (!line.startsWith('debug') && complaints.length < MAX_COMPLAINTS) complaints.push(line)
  }
  const program = await startHelper([...wordsOf(setup, ['-N', '-T', ...forwardings])], onLine)
  const lost = program.ended.then(() => failureOf(setup, complaints))
  const late = new Promise<'late'>((resolve) => {
    deadline.signal.addEventListener('abort', () => resolve('late'), { once: true })
    if (deadline.signal.aborted) resolve('late')
  })
  const outcome = await Promise.race([isReady, lost, late])
  if (outcome === 'ready') {
    return { lost: lost.then((error) => sshLost(url, error)), stop: () => program.stop() }
  }
  program.stop()
  signal.throwIfAborted()
  throw outcome === 'late' ? sshUnreachable(url, 'the ssh command is not logged in in time') : outcome
}

/** Removes files of ours on the server, as far as it lets us run a command; within the time or not at all. */
export async function removeBySsh(
  setup: SshServerSetup,
  paths: readonly string[],
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const words = [...wordsOf(setup, ['-T']), 'rm', '-f', ...paths]
  const program = await startHelper(words, () => undefined).catch(() => undefined)
  if (program === undefined) return
  using deadline = deadlineSignal(setup.runtime.clock, timeoutMs, signal)
  const stop = () => program.stop()
  deadline.signal.addEventListener('abort', stop, { once: true })
  if (deadline.signal.aborted) stop()
  await program.ended
}

function wordsOf({ command = [], url }: SshServerSetup, own: readonly string[]): readonly string[] {
  const user = url.user === undefined ? [] : ['-l', url.user]
  // 22 is what ssh takes by itself, unless its configuration says otherwise.
  const port = url.port === 22 ? [] : ['-p', String(url.port)]
  return [...command, ...OPTIONS, ...own, ...user, ...port, '--', url.host]
}

/** What the last words of ssh mean. */
function failureOf({ url, command = [] }: SshServerSetup, complaints: readonly string[]): ReachError {
  const text = complaints.join('\n')
  const server = formatSshUrl(url)
  const options = {
    hint: `see what  ${command.join(' ')} ${url.host}  says`,
    details: { server, complaints },
  }
  if (/remote port forwarding failed|administratively prohibited/i.test(text)) return forwardingRefused(url)
  if (/HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/i.test(text)) {
    return new ReachError(
      'ERR_REACH_SSH_HOST_KEY_CHANGED',
      `the SSH server ${server} shows another host key than is known of it`,
      options,
    )
  }
  if (/Host key verification failed|host key is known for/i.test(text)) {
    return new ReachError(
      'ERR_REACH_SSH_HOST_KEY_UNKNOWN',
      `the SSH server ${server} shows a host key that nobody vouches for`,
      options,
    )
  }
  if (/Permission denied|Too many authentication failures/i.test(text)) {
    return new ReachError('ERR_REACH_SSH_AUTH', `the SSH server ${server} does not let us in`, options)
  }
  return sshUnreachable(url, complaints.at(-1) ?? 'the ssh command has ended')
}
