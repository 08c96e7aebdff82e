import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { parseRelayUrl } from '../../lib/base/relay-url.ts'
import { nodeRuntime } from '../../lib/net/node-runtime.ts'
import { proxyFor } from '../../lib/net/outward/proxy-environment.ts'
import { probeProxy } from '../../lib/probe/egress/proxy-egress.ts'
import type { ProxyEgress } from '../../lib/probe/egress/proxy-egress.ts'
import { closedPort, serve } from './egress-support/servers.ts'

const isInstalled = spawnSync('tinyproxy', ['-v']).status === 0
if (!isInstalled) console.log('skipped tests against tinyproxy: it is not installed')
const tinyproxyTest = isInstalled ? test : test.skip

/** Ours: it starts in some 20 ms; each try takes 50 ms. */
const MAX_START_TRIES = 100

/** A real tinyproxy on loopback, which ends with the test; answers its port. */
async function startTinyproxy(t: ExecutionContext, ...lines: readonly string[]): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'egress-tinyproxy-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const port = await closedPort()
  const configuration = join(folder, 'tinyproxy.conf')
  const common = [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 20', 'Allow 127.0.0.1', 'LogLevel Critical']
  writeFileSync(configuration, [...common, ...lines, ''].join('\n'))
  const program = spawn('tinyproxy', ['-d', '-c', configuration], { stdio: 'ignore' })
  t.teardown(async () => {
    if (program.exitCode !== null || !program.kill('SIGKILL')) return
    await once(program, 'exit')
  })
  for (let tries = 0; tries < MAX_START_TRIES; tries++) {
    if (await accepts(port)) return port
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('tinyproxy does not listen')
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const settle = (isOpen: boolean) => {
      socket.destroy()
      resolve(isOpen)
    }
    socket.once('connect', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

async function through(t: ExecutionContext, proxyUrl: string): Promise<ProxyEgress> {
  const { port } = await serve(
    t,
    createServer((_request, response) => response.writeHead(204).end()),
  )
  const relay = parseRelayUrl(`http://127.0.0.1:${port}`)
  return probeProxy(nodeRuntime(), relay, proxyFor({ http_proxy: proxyUrl }, relay), { timeoutMs: 10_000 })
}

tinyproxyTest('a relay is reached through a real proxy', async (t) => {
  const port = await startTinyproxy(t)
  const egress = await through(t, `http://127.0.0.1:${port}`)
  t.like(egress, { proxy: { value: 'works', confidence: 'measured' }, way: { value: true } })
})

tinyproxyTest(
  'a real proxy that demands credentials refuses without and with wrong ones, and works with right ones',
  async (t) => {
    const port = await startTinyproxy(t, 'BasicAuth aladdin opensesame')
    const without = await through(t, `http://127.0.0.1:${port}`)
    t.like(without, { proxy: { value: 'refuses' }, way: { value: false, error: 'HTTP 407' } })
    const wrong = await through(t, `http://aladdin:wrong@127.0.0.1:${port}`)
    t.like(wrong, { proxy: { value: 'refuses' }, way: { value: false } })
    const right = await through(t, `http://aladdin:opensesame@127.0.0.1:${port}`)
    t.like(right, { proxy: { value: 'works' }, way: { value: true } })
  },
)

tinyproxyTest('a real proxy that allows other ports only refuses with 403', async (t) => {
  const port = await startTinyproxy(t, 'ConnectPort 443')
  const egress = await through(t, `http://127.0.0.1:${port}`)
  t.like(egress, { proxy: { value: 'refuses' }, way: { value: false, error: 'HTTP 403' } })
})
