import { readFile } from 'node:fs/promises'
import { endianness } from 'node:os'
import type { Gateway } from '../base/runtime.ts'
import { canonicalIp } from '../base/transport-address.ts'
import { systemInterfaces } from './interfaces.ts'
import { parseProcNetIpv6Route, parseProcNetRoute } from './linux-routes.ts'
import { parseNetstatRoutes } from './macos-routes.ts'
import { runCommand, windowsProgram } from './run-command.ts'
import type { WindowsInterface } from './windows-routes.ts'
import { parseRoutePrint } from './windows-routes.ts'

/**
 * The default gateways of this host, best metric first. IPv4 gateways that only policy rules lead to (Android, some
 * VPNs) are not seen. Empty when there is none, or when the system can't be asked.
 */
export async function defaultGateways(
  platform: NodeJS.Platform = process.platform,
): Promise<readonly Gateway[]> {
  return byMetric(await gatewaysOf(platform))
}

function gatewaysOf(platform: NodeJS.Platform): Promise<readonly Gateway[]> {
  if (platform === 'linux' || platform === 'android') return linuxGateways()
  if (platform === 'darwin') return macosGateways()
  if (platform === 'win32') return windowsGateways()
  return Promise.resolve([])
}

/** Best metric first; routes of one metric keep the system's order; the same gateway once. */
export function byMetric(gateways: readonly Gateway[]): readonly Gateway[] {
  const isFirst = (gateway: Gateway, index: number, all: readonly Gateway[]) =>
    all.findIndex((other) => other.ip === gateway.ip && other.interfaceName === gateway.interfaceName) ===
    index
  return [...gateways].sort((a, b) => a.metric - b.metric).filter(isFirst)
}

async function linuxGateways(): Promise<readonly Gateway[]> {
  const [ipv4, ipv6] = await Promise.all([
    readOrEmpty('/proc/net/route'),
    readOrEmpty('/proc/net/ipv6_route'),
  ])
  return [...parseProcNetRoute(ipv4, endianness()), ...parseProcNetIpv6Route(ipv6)]
}

async function macosGateways(): Promise<readonly Gateway[]> {
  const tables = await Promise.all(
    ['inet', 'inet6'].map((family) => runCommand('/usr/sbin/netstat', ['-rn', '-f', family])),
  )
  return tables.flatMap((table) => parseNetstatRoutes(table ?? ''))
}

async function windowsGateways(): Promise<readonly Gateway[]> {
  const table = await runCommand(windowsProgram('ROUTE.EXE'), ['print'])
  return parseRoutePrint(table ?? '', windowsInterfaces())
}

function windowsInterfaces(): readonly WindowsInterface[] {
  return Object.entries(systemInterfaces()).map(([name, infos = []]) => ({
    name,
    ips: infos.map((info) => canonicalIp(info.address)),
    index: infos.map((info) => info.scopeid).find((scopeId) => scopeId !== undefined && scopeId !== 0),
  }))
}

async function readOrEmpty(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1')
  } catch {
    return '' // no IPv6 in this kernel, or a sandbox hides the file: then there is no gateway to know of
  }
}
