import { windowsProgram } from './run-command.ts'

/** How to ping once with a limited TTL. */
export interface PingCommand {
  /** Where the program may be, best first: absolute paths. */
  readonly paths: readonly string[]
  readonly args: readonly string[]
}

export interface PingRequest {
  readonly ip: string
  readonly ttl: number
  readonly timeoutMs: number
}

/** Where Linux distributions keep it; NixOS gives only its wrapper the right to use ICMP. */
const UNIX_FOLDERS = ['/run/wrappers/bin', '/usr/bin', '/bin', '/sbin', '/usr/sbin', '/system/bin'] as const

/** The system's `ping` for one hop; undefined for systems that we don't know. */
export function pingCommand(platform: NodeJS.Platform, request: PingRequest): PingCommand | undefined {
  if (platform === 'linux' || platform === 'android') return linuxPing(request)
  if (platform === 'darwin') return request.ip.includes(':') ? macosPing6(request) : macosPing(request)
  if (platform === 'win32') return windowsPing(request)
  return undefined
}

/** iputils since 2015, busybox and toybox: both families, `-t` TTL, `-W` seconds to wait for an answer. */
function linuxPing(request: PingRequest): PingCommand {
  const seconds = Math.max(1, Math.ceil(request.timeoutMs / 1000))
  return {
    paths: UNIX_FOLDERS.map((folder) => `${folder}/ping`),
    args: ['-n', '-c', '1', '-W', String(seconds), '-t', String(request.ttl), request.ip],
  }
}

/** macOS: `-m` TTL, `-W` milliseconds to wait for an answer (its `-t` is a time limit). */
function macosPing(request: PingRequest): PingCommand {
  return {
    paths: ['/sbin/ping'],
    args: [
      '-n',
      '-c',
      '1',
      '-W',
      String(Math.ceil(request.timeoutMs)),
      '-m',
      String(request.ttl),
      request.ip,
    ],
  }
}

/** macOS: `-h` hop limit; it has no time limit, so it ends by being killed. */
function macosPing6(request: PingRequest): PingCommand {
  return { paths: ['/sbin/ping6'], args: ['-n', '-c', '1', '-h', String(request.ttl), request.ip] }
}

/** Windows: `-n` count, `-i` TTL for both families, `-w` milliseconds to wait for an answer. */
function windowsPing(request: PingRequest): PingCommand {
  return {
    paths: [windowsProgram('PING.EXE')],
    args: ['-n', '1', '-w', String(Math.ceil(request.timeoutMs)), '-i', String(request.ttl), request.ip],
  }
}
