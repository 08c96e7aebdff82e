import { ReachError } from '../../base/errors.ts'
import { escapeXml, findElement, parseXml } from './xml.ts'

/** One call of an action, with its arguments in the order of the service's specification: some routers go by it. */
export interface SoapCall {
  readonly serviceType: string
  readonly action: string
  readonly args: readonly (readonly [name: string, value: string])[]
}

/** A call as HTTP carries it. */
export interface SoapRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** What came of a call. A fault is a value: which ones matter is for the caller to know. */
export type SoapAnswer =
  | {
      readonly kind: 'done'
      /** By the argument's name in lower case, trimmed. */
      readonly values: ReadonlyMap<string, string>
    }
  | {
      readonly kind: 'fault'
      /** UPnP's error code, see upnp-error.ts. */
      readonly code: number
      /** The device's own words; untrusted. */
      readonly description: string
    }

/** HTTP status codes as far as SOAP goes by them (UPnP Device Architecture 1.1 §3.2.2, §3.2.5). */
const HTTP_OK = 200
/** Ours: for people; routers write a few words. */
const MAX_DESCRIPTION_LENGTH = 200

/** Writes a call (UPnP Device Architecture 1.1 §3.2.1). The headers lack Host. */
export function encodeSoapCall({ serviceType, action, args }: SoapCall): SoapRequest {
  const fields = args.map(([name, value]) => `<${name}>${escapeXml(value)}</${name}>`).join('')
  const text =
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${escapeXml(serviceType).replaceAll('"', '&quot;')}">${fields}</u:${action}>` +
    '</s:Body></s:Envelope>\r\n'
  const body = new TextEncoder().encode(text)
  return {
    headers: {
      'Content-Type': 'text/xml; charset="utf-8"',
      'Content-Length': String(body.length),
      SOAPAction: `"${serviceType}#${action}"`,
    },
    body,
  }
}

/**
 * Reads an answer: prefixes and case do not matter, and a fault is a fault under whatever status. A router that answers
 * 200 with nothing at all has done what it was asked.
 * @throws {ReachError} ERR_REACH_DECODE when it is neither a result nor a fault with a code
 */
export function decodeSoapAnswer(status: number, bytes: Uint8Array, action: string): SoapAnswer {
  if (bytes.length === 0 && status === HTTP_OK) return { kind: 'done', values: new Map() }
  const root = parseXml(bytes)
  const fault = findElement(root, 'upnperror') ?? findElement(root, 'fault')
  if (fault !== undefined) {
    const code = Number.parseInt(findElement(fault, 'errorcode')?.text ?? '', 10)
    if (!Number.isInteger(code)) throw unreadable(status, 'a fault without a code')
    const description = findElement(fault, 'errordescription')?.text ?? ''
    return { kind: 'fault', code, description: description.slice(0, MAX_DESCRIPTION_LENGTH) }
  }
  const result = findElement(root, `${action}response`.toLowerCase())
  if (result === undefined || status !== HTTP_OK) throw unreadable(status, `no result of ${action}`)
  return { kind: 'done', values: new Map(result.children.map(({ name, text }) => [name, text])) }
}

function unreadable(status: number, what: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `the gateway answers with status ${status} and ${what}`)
}
