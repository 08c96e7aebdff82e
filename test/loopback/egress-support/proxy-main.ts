/**
 * One way through a proxy, in a process of its own: Node reads NODE_EXTRA_CA_CERTS only at its start.
 *   node proxy-main.js RELAY-URL PROXY-URL        prints what was found as JSON
 */
import { parseRelayUrl } from '../../../lib/base/relay-url.ts'
import { nodeRuntime } from '../../../lib/net/node-runtime.ts'
import { proxyFor } from '../../../lib/net/outward/proxy-environment.ts'
import { probeProxy } from '../../../lib/probe/egress/proxy-egress.ts'

const [relayUrl = '', proxyUrl] = process.argv.slice(2)
const relay = parseRelayUrl(relayUrl)
const choice = proxyFor({ HTTPS_PROXY: proxyUrl }, relay)
console.log(JSON.stringify(await probeProxy(nodeRuntime(), relay, choice, { timeoutMs: 10_000 })))
