import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Endpoint } from '../lib/base/endpoint.ts'
import { listenTcp } from '../lib/net/tcp-server.ts'
import type { TcpServer } from '../lib/net/tcp-server.ts'
import { limitExchanges } from './http-endpoints.ts'
import type { RelayMetrics } from './metrics.ts'
import { formatMetrics } from './metrics.ts'

/** `/metrics` and `/healthz` for the operator, on an address of its own that the internet should not reach. */
export async function openAdminServer(listen: Endpoint, metrics: () => RelayMetrics): Promise<TcpServer> {
  const http: Server = createServer((request, response) => {
    response.setHeader('Connection', 'close')
    const isMetrics = request.url === '/metrics'
    if (!isMetrics && request.url !== '/healthz') {
      response.writeHead(404).end()
      return
    }
    const contentType = isMetrics ? 'text/plain; version=0.0.4; charset=utf-8' : 'text/plain; charset=utf-8'
    response
      .writeHead(200, { 'Content-Type': contentType })
      .end(isMetrics ? formatMetrics(metrics()) : 'ok\n')
  })
  limitExchanges(http)
  return listenTcp({ ip: listen.host, port: listen.port }, (socket) => http.emit('connection', socket))
}
