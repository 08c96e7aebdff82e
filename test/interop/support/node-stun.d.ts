/** The npm package node-stun, as far as the tests use it: RFC 3489, server and client. */
declare module 'node-stun' {
  export interface NodeStunAddress {
    readonly host: string
    readonly port: number
  }

  export interface NodeStunServer {
    on(event: 'log', listener: (log: { readonly level: string; readonly message: string }) => void): this
    listen(): void
    close(): void
  }

  export interface NodeStunClient {
    setLocalAddr(address: string): void
    setServerAddr(address: string, port?: number): void
    /** Calls back with 0 when the whole discovery is done. */
    start(callback: (result: number) => void): void
    close(callback: () => void): void
    getNatType(): string
    /** Mapping: `I` is endpoint-independent. */
    getNB(): string
    /** Filtering, in the same letters. */
    getEF(): string
    getMappedAddr(): { readonly address: string; readonly port: number }
  }

  export function createServer(config: {
    readonly primary: NodeStunAddress
    readonly secondary: NodeStunAddress
  }): NodeStunServer
  export function createClient(): NodeStunClient
}
