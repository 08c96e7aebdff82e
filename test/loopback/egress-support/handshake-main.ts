/**
 * One handshake with a TLS server on loopback, in a process of its own: Node reads NODE_EXTRA_CA_CERTS only at its start.
 *   node handshake-main.js PORT HOST [PIN]        prints the finding as JSON
 */
import { transportAddress } from '../../../lib/base/transport-address.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { tlsFinding } from '../../../lib/probe/egress/egress-finding.ts'
import { secure } from '../../../lib/net/outward/tls.ts'

const [port = '', host = '', pinSha256] = process.argv.slice(2)
const runtime = nodeRuntime()
const socket = await runtime.network.connectTcp(transportAddress('127.0.0.1', Number(port), 'tcp'))
const target = pinSha256 === undefined ? { host } : { host, pinSha256 }
const outcome = await secure(runtime, socket, target, { timeoutMs: 10_000 })
if (outcome.kind === 'done') outcome.value.socket.destroy()
console.log(JSON.stringify(tlsFinding(outcome)))
