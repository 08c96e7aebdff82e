import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { findElement, parseXml } from '../../../lib/protocol/port-mapping/xml.ts'
import { MINIUPNPD } from '../../vectors/igd-descriptions.ts'
import { FakeConnection } from './fake-connection.ts'
import { reply, soapFault } from './soap-reply.ts'
import type { FakeReply } from './soap-reply.ts'

/** A call that came in. */
export interface FakeCall {
  readonly path: string
  readonly action: string
  /** By the argument's name in lower case. */
  readonly args: ReadonlyMap<string, string>
  /** Who called. */
  readonly from: string
}

/** How an action is answered; undefined: as the connection of that path would. */
export type FakeScript = (call: FakeCall) => FakeReply | 'silence' | undefined

/** What differs from an ordinary router. */
export interface FakeIgdOptions {
  /** A loopback address. Default: 127.0.0.1. */
  readonly ip?: string
  /** Default: {@link MINIUPNPD}. A function answers by itself, in whatever way. */
  readonly description?: string | ((request: IncomingMessage, response: ServerResponse) => void)
  readonly script?: FakeScript
  /** By control path. Default: one ordinary connection for all. */
  readonly connections?: Readonly<Record<string, FakeConnection>>
}

/** An Internet Gateway Device on real sockets of the loopback interface, as odd as a test wants it. */
export class FakeIgd {
  readonly ip: string
  readonly calls: FakeCall[] = []
  readonly requests: string[] = []
  readonly connection = new FakeConnection()
  readonly #options: FakeIgdOptions
  readonly #server: Server
  #port = 0

  private constructor(options: FakeIgdOptions) {
    this.#options = options
    this.ip = options.ip ?? '127.0.0.1'
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  static async open(options: FakeIgdOptions = {}): Promise<FakeIgd> {
    const igd = new FakeIgd(options)
    igd.#server.listen(0, igd.ip)
    await once(igd.#server, 'listening')
    const address = igd.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('not listening')
    igd.#port = address.port
    return igd
  }

  get base(): string {
    return `http://${this.ip.includes(':') ? `[${this.ip}]` : this.ip}:${this.#port}`
  }

  get location(): string {
    return `${this.base}/rootDesc.xml`
  }

  /** The actions that were called, in order. */
  get actions(): readonly string[] {
    return this.calls.map(({ action }) => action)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    this.requests.push(`${method} ${url}`)
    if (method === 'POST') return this.#answerCall(request, response)
    const { description = MINIUPNPD } = this.#options
    if (typeof description === 'string') response.setHeader('Content-Type', 'text/xml').end(description)
    else description(request, response)
  }

  async #answerCall(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk)
    const body = findElement(parseXml(Buffer.concat(chunks)), 'body')
    const action = /#(\w+)"$/.exec(String(request.headers.soapaction))?.[1] ?? ''
    const call: FakeCall = {
      path: request.url ?? '',
      action,
      args: new Map(body?.children[0]?.children.map(({ name, text }) => [name, text])),
      from: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
    }
    this.calls.push(call)
    const answer = this.#options.script?.(call) ?? this.#connection(call.path)?.answer(call) ?? soapFault(401)
    if (answer !== 'silence') reply(response, answer)
  }

  #connection(path: string): FakeConnection | undefined {
    const { connections } = this.#options
    return connections === undefined ? this.connection : connections[path]
  }
}
