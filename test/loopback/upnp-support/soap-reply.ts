import type { ServerResponse } from 'node:http'

/** What a router answers. */
export interface FakeReply {
  readonly status: number
  readonly body: string
}

/** A result, with its arguments in order. */
export function soapResult(
  action: string,
  values: Readonly<Record<string, string | number>> = {},
): FakeReply {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${value}</${name}>`)
  return {
    status: 200,
    body: envelope(
      `<u:${action}Response xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">${fields.join('')}</u:${action}Response>`,
    ),
  }
}

/** A fault as UPnP Device Architecture 1.1 §3.2.2 has it; some routers say it with status 200. */
export function soapFault(code: number, description = 'no', status = 500): FakeReply {
  return {
    status,
    body: envelope(
      `<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>${code}</errorCode><errorDescription>${description}</errorDescription></UPnPError></detail></s:Fault>`,
    ),
  }
}

export function reply(response: ServerResponse, { status, body }: FakeReply): void {
  response.writeHead(status, { 'Content-Type': 'text/xml', 'Content-Length': Buffer.byteLength(body) })
  response.end(body)
}

function envelope(body: string): string {
  return `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>${body}</s:Body></s:Envelope>`
}
