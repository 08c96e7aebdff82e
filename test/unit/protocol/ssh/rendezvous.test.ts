import test from 'ava'
import fc from 'fast-check'
import { parsePeerId } from '../../../../lib/base/peer-id.ts'
import { rendezvousOf } from '../../../../lib/protocol/ssh/rendezvous.ts'

const PEER_ID = parsePeerId('8w66844eje4mznzedq8bp9hccf736ip1ka4xnzb5ganromsqbzwo')

test('both sides find the same places, which stay the same between versions', (t) => {
  const { sockets, ports } = rendezvousOf('x.net.example', 'alice')
  const path = '/tmp/p2p-reach-1i7hcpfo3xhkhpkmfq4tti6gxj'
  t.deepEqual(sockets, [`${path}.0`, `${path}.1`, `${path}.2`, `${path}.3`])
  t.deepEqual(ports, [30070, 30071, 30072, 30073, 30074, 30075, 30076, 30077])
})

test('names, PeerIds and networks have places of their own', (t) => {
  const places = [
    rendezvousOf('x.net.example', 'alice'),
    rendezvousOf('x.net.example', PEER_ID),
    rendezvousOf('y.net.example', 'alice'),
    rendezvousOf('x.net.example', 'bob'),
  ]
  t.is(new Set(places.flatMap(({ sockets }) => sockets)).size, 16)
})

test('paths fit into a socket’s address, ports are unprivileged and below those that systems give out', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (domain, who) => {
      const { sockets, ports } = rendezvousOf(domain, who)
      t.true(sockets.every((path) => /^\/tmp\/p2p-reach-[a-z1-9]{26}\.[0-3]$/.test(path)))
      t.true(ports.length === 8 && ports.every((port) => port >= 16_384 && port < 32_768))
    }),
  )
})
