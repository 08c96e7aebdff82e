import { ReachError } from '../../../lib/base/errors.ts'
import { runCommand } from './command.ts'
import { findTool } from './tools.ts'

export type LabAvailability =
  /** A lab can be opened in this process. */
  | { readonly kind: 'root' }
  /** A lab can be opened after {@link reexecInUserNamespace}. */
  | { readonly kind: 'user-namespace' }
  /** `reason` names the missing piece, in one line for a person. */
  | { readonly kind: 'unavailable'; readonly reason: string }

/** A program that labs are made with, and the Debian package that has it. */
const TOOLS = [
  { command: 'sh', package: 'dash' },
  { command: 'unshare', package: 'util-linux' },
  { command: 'nsenter', package: 'util-linux' },
  { command: 'setpriv', package: 'util-linux' },
  { command: 'ip', package: 'iproute2' },
  { command: 'nft', package: 'nftables' },
] as const

/**
 * Shell: does in a fresh namespace, in small, all that a lab does. Says each step before it takes it, so that the last
 * line names the one that failed.
 */
const TRIAL = `
set -e
echo 'switch the loopback interface on'
ip link set lo up
echo 'make a veth pair (kernel without CONFIG_VETH?)'
ip link add veth0 type veth peer name veth1
echo 'make a bridge (kernel without CONFIG_BRIDGE?)'
ip link add bridge0 type bridge
echo 'load a masquerade rule (kernel without nf_tables or nf_nat?)'
nft -f - <<END
table ip trial {
  map bindings { type ipv4_addr . inet_service : ipv4_addr . inet_service; flags dynamic,timeout; timeout 1s; size 16; }
  chain postrouting { type nat hook postrouting priority srcnat; oifname "veth0" masquerade fully-random; }
}
table inet trial {
  chain input { type filter hook input priority filter; ct state established accept; }
}
END
echo 'switch forwarding on'
echo 1 > /proc/sys/net/ipv4/ip_forward
echo 'enter a namespace'
setpriv --pdeathsig KILL -- nsenter --net=/proc/$$/ns/net -- true
`

/**
 * Tries whether this machine can run a lab: really makes a namespace, cables and NAT rules in it, and lets them go.
 * First as the user that we are, then with a user namespace, where the kernel lets one have root's powers over
 * namespaces of one's own (user_namespaces(7)).
 */
export async function labAvailability(
  options: { readonly signal?: AbortSignal } = {},
): Promise<LabAvailability> {
  if (process.platform !== 'linux')
    return unavailable(`needs Linux network namespaces; this is ${process.platform}`)
  for (const { command, package: debianPackage } of TOOLS) {
    if (findTool(command) === undefined) {
      return unavailable(`the program ${command} is missing (Debian package ${debianPackage})`)
    }
  }
  const asWeAre = await attempt(['unshare', '--net'], options.signal)
  if (asWeAre === undefined) return { kind: 'root' }
  const asMappedRoot = await attempt([...USER_NAMESPACE, '--'], options.signal)
  if (asMappedRoot === undefined) return { kind: 'user-namespace' }
  // Root without the powers of root (a container) should read what root lacked, anybody else what the second way lacked.
  return unavailable(process.getuid?.() === 0 ? asWeAre : asMappedRoot)
}

/** How to become root of a fresh user namespace, in a network namespace of its own with nothing in it. */
export const USER_NAMESPACE = ['unshare', '--user', '--map-root-user', '--net'] as const

function unavailable(reason: string): LabAvailability {
  return { kind: 'unavailable', reason }
}

/** Undefined when the trial succeeds, else what failed. */
async function attempt(
  entry: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { code, stdout, stderr } = await trial(entry, signal)
  if (code === 0) return undefined
  const step = stdout.trim().split('\n').at(-1)
  const said = stderr.trim().split('\n')[0]
  const message = said === undefined || said === '' ? `it ended with status ${code ?? 'unknown'}` : said
  if (step === undefined || step === '') return `not permitted to make a network namespace: ${message}`
  return `cannot ${step}: ${message}`
}

async function trial(entry: readonly string[], signal: AbortSignal | undefined) {
  try {
    return await runCommand([...entry, 'sh', '-c', TRIAL], { signal })
  } catch (error) {
    signal?.throwIfAborted()
    if (!ReachError.is(error)) throw error
    return { code: undefined, stdout: '', stderr: error.message }
  }
}
