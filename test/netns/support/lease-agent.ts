import { createInterface } from 'node:readline'
import { ReachError } from '../../../lib/base/errors.ts'
import type { LeaseState, PortRequest, Prove } from '../../../lib/portmap/lease-state.ts'
import { MappingJournal } from '../../../lib/portmap/mapping-journal.ts'
import { MappingLease } from '../../../lib/portmap/mapping-lease.ts'
import { natPmpMapper } from '../../../lib/portmap/nat-pmp-mapper.ts'
import { pcpMapper } from '../../../lib/portmap/pcp-mapper.ts'
import { PortMapper } from '../../../lib/portmap/port-mapper.ts'
import { upnpMapper } from '../../../lib/portmap/upnp-mapper.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import type { MappingProof } from '../../../lib/protocol/port-mapping/mapping-proof.ts'
import type { MappingProtocol } from '../../../lib/protocol/port-mapping/mapping.ts'

/** What `lease-agent.js JSON` is told. */
export interface LeaseAgentOptions {
  readonly request: PortRequest
  readonly home?: string
  readonly protocols?: readonly MappingProtocol[]
  /** Let the test prove: `prove PORT` is printed, and a line `proven` or a cause is read. */
  readonly asksForProof?: boolean
}

/* Keeps a port mapped in a network namespace. Prints each state as a line of JSON; `close` on stdin removes the mapping. */

const options = optionsOf(JSON.parse(process.argv[2] ?? '{}'))
const runtime = nodeRuntime()
const factories = { pcp: pcpMapper, 'nat-pmp': natPmpMapper, upnp: upnpMapper }
const { protocols = ['pcp', 'nat-pmp'], home, request } = options
const journal = home === undefined ? undefined : new MappingJournal(home, runtime)
const mapper = new PortMapper({
  runtime,
  factories: protocols.map((protocol) => factories[protocol]),
  ...(journal === undefined ? {} : { journal }),
})

const answers: ((line: string) => void)[] = []
const input = createInterface({ input: process.stdin })
const print = (value: object) => console.log(JSON.stringify(value))

const prove: Prove = async (grant) => {
  const answer = new Promise<string>((resolve) => answers.push(resolve))
  console.log(`prove ${grant.externalPort}`)
  return proofOf(await answer, grant.externalPort, grant.externalIp)
}

function proofOf(line: string, port: number, externalIp: string | undefined): MappingProof {
  if (line === 'proven') {
    const external = { family: 'ipv4', ip: '203.0.113.50', port, transport: request.transport } as const
    return { proof: 'proven', kind: 'received', external, relay: 'the test' }
  }
  const facts = { relayHeard: 'timed-out', externalIp, seenAs: '203.0.113.50' } as const
  return { proof: 'failed', cause: 'silence', facts, relay: 'the test' }
}

function describe(state: LeaseState): object {
  return state.kind === 'lost' ? { kind: 'lost', code: state.error.code } : state
}

function optionsOf(value: unknown): LeaseAgentOptions {
  if (!isOptions(value)) throw new Error('not the options of a lease agent')
  return value
}

/** The test that starts it writes them with their type. */
function isOptions(value: unknown): value is LeaseAgentOptions {
  return typeof value === 'object' && value !== null && 'request' in value
}

/**
 * A search takes a second and a half and no more. A gateway that has no processor time in it, for other tests run beside
 * it, is none to the first search; what is tested here is what it does once it is found.
 */
async function openLease(searches = 5): Promise<MappingLease> {
  try {
    return await MappingLease.open({
      mapper,
      request,
      onChange: (state) => print(describe(state)),
      ...(options.asksForProof === true ? { prove } : {}),
    })
  } catch (error) {
    if (searches > 1 && ReachError.is(error, 'ERR_REACH_NO_GATEWAY')) return openLease(searches - 1)
    throw error
  }
}

let lease: MappingLease | undefined
input.on('line', (line) => {
  if (line === 'close') void close()
  else answers.shift()?.(line)
})

async function close(): Promise<void> {
  await lease?.close()
  await mapper.close()
  await journal?.close()
  input.close()
}

try {
  const startMs = runtime.clock.nowMs()
  lease = await openLease()
  print({ ...lease.state, openedInMs: Math.round(runtime.clock.nowMs() - startMs) })
} catch (error) {
  if (!ReachError.is(error)) throw error
  print({ kind: 'failed', code: error.code, message: error.message, details: error.details })
  await close()
}
