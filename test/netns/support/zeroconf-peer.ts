import { execFileSync } from 'node:child_process'

/** A Python that has python-zeroconf, somebody else's multicast DNS; the system's may be hidden by another one. */
export const PYTHON = ['python3', '/usr/bin/python3'].find((python) => {
  try {
    execFileSync(python, ['-c', 'import zeroconf'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})

/** Why python-zeroconf can't be a witness here; undefined when it can. */
export function whyNoZeroconf(): string | undefined {
  if (PYTHON !== undefined) return undefined
  return 'it takes python3 with the package zeroconf (Debian: python3-zeroconf)'
}

/**
 * Prints what python-zeroconf sees of our type: `added NAME`, with what it has resolved as `resolved NAME PORT ID
 * ADDRESS…`, and `removed NAME`.
 */
export const BROWSER = `
import sys
from zeroconf import ServiceBrowser, Zeroconf, IPVersion
TYPE = "_p2p-reach._tcp.local."
class Listener:
    def add_service(self, zc, type_, name):
        print("added", name, flush=True)
        info = zc.get_service_info(type_, name)
        text = info.properties[b"id"].decode()
        print("resolved", name, info.port, text, *sorted(info.parsed_addresses()), flush=True)
    def update_service(self, zc, type_, name):
        pass
    def remove_service(self, zc, type_, name):
        print("removed", name, flush=True)
zc = Zeroconf(ip_version=IPVersion.V4Only)
browser = ServiceBrowser(zc, TYPE, Listener())
print("ready", flush=True)
sys.stdin.read()
`

/** Announces a service as one of ours would be: \`python3 -c … INSTANCE TAG PORT IP\`; a line on stdin unregisters it. */
export const ANNOUNCER = `
import socket, sys
from zeroconf import ServiceInfo, Zeroconf, IPVersion
instance, tag, port, ip = sys.argv[1:5]
TYPE = "_p2p-reach._tcp.local."
zc = Zeroconf(ip_version=IPVersion.V4Only)
info = ServiceInfo(TYPE, f"{instance}.{TYPE}", port=int(port), addresses=[socket.inet_aton(ip)],
                   properties={"v": "1", "id": tag}, server=f"{instance}.local.")
zc.register_service(info)
print("registered", flush=True)
sys.stdin.readline()
zc.unregister_service(info)
zc.close()
print("unregistered", flush=True)
`

/** For Node: asks once from a port that is not 5353, as `dig @224.0.0.251 -p 5353` does; prints the answer's header and source. */
export const ONE_SHOT = `
const socket = require('node:dgram').createSocket('udp4')
const labels = ['_p2p-reach', '_tcp', 'local'].map((label) => String.fromCharCode(label.length) + label)
const header = Buffer.from('109200000001000000000000', 'hex')
const question = Buffer.concat([header, Buffer.from(labels.join('') + '\\0', 'latin1'), Buffer.from('000c0001', 'hex')])
socket.on('message', (answer, { address, port }) => {
  console.log(...[0, 2, 4, 6, 8, 10].map((at) => answer.readUInt16BE(at)), address, port)
  socket.close()
})
socket.bind(0, () => socket.send(question, 5353, '224.0.0.251'))
`
