import sax from 'sax'
import { ReachError } from '../../base/errors.ts'

/** Ours: the longest description that we have seen has 40 KB. */
export const MAX_XML_BYTES = 256 * 1024
/** Ours: a description nests ten deep, SOAP five. */
const MAX_DEPTH = 32
/** Ours: a description has some 200 elements. */
const MAX_ELEMENTS = 5000

/** An element without what UPnP does not use: attributes, namespaces, comments. */
export interface XmlElement {
  /** The local name in lower case: prefixes differ from router to router, and some routers get the case wrong. */
  readonly name: string
  /** The text in it, without that of its children, trimmed. */
  readonly text: string
  readonly children: readonly XmlElement[]
}

interface OpenElement {
  readonly name: string
  text: string
  readonly children: XmlElement[]
}

/**
 * Reads XML as routers write it: bare ampersands, tags that are not closed and wrong case are borne. Document types and
 * entities are not: UPnP has no use for them, and attackers have. Takes memory in proportion to the bytes.
 * @throws {ReachError} ERR_REACH_DECODE
 */
export function parseXml(bytes: Uint8Array): XmlElement {
  if (bytes.length > MAX_XML_BYTES) throw refused(`${bytes.length} bytes are too long`)
  const tree = new XmlTree()
  // Not strict: strict mode ends at the first `&` in a router's name. `noscript`: <script> is an element like others.
  const parser = sax.parser(false, { lowercase: true, noscript: true, position: false })
  parser.onopentag = ({ name }) => tree.open(name)
  parser.onclosetag = () => tree.close()
  parser.ontext = (text) => tree.addText(text)
  parser.oncdata = (text) => tree.addText(text)
  parser.ondoctype = () => reject('it has a document type')
  parser.onsgmldeclaration = () => reject('it has a declaration')
  parser.onerror = (error) => reject(error.message.split('\n')[0] ?? 'broken')
  parser.write(new TextDecoder().decode(bytes)).close()
  return tree.root()
}

/** The first element of that name, in lower case, among `element` and what is in it, depth first. */
export function findElement(element: XmlElement, name: string): XmlElement | undefined {
  if (element.name === name) return element
  for (const child of element.children) {
    const found = findElement(child, name)
    if (found !== undefined) return found
  }
  return undefined
}

/** The text of the first child of that name, in lower case; undefined when there is none. */
export function childText(element: XmlElement, name: string): string | undefined {
  return element.children.find((child) => child.name === name)?.text
}

/** Text as it may stand between tags (XML 1.0 §2.4). */
export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/** What has been read of a document. */
class XmlTree {
  readonly #open: OpenElement[] = []
  #root: XmlElement | undefined
  #count = 0

  open(qualifiedName: string): void {
    if (this.#open.length >= MAX_DEPTH) reject(`it nests deeper than ${MAX_DEPTH}`)
    if (++this.#count > MAX_ELEMENTS) reject(`it has more than ${MAX_ELEMENTS} elements`)
    this.#open.push({ name: localName(qualifiedName), text: '', children: [] })
  }

  close(): void {
    const closed = this.#open.pop()
    if (closed === undefined) return
    const element = { name: closed.name, text: closed.text.trim(), children: closed.children }
    const parent = this.#open.at(-1)
    if (parent !== undefined) parent.children.push(element)
    else this.#root ??= element
  }

  addText(text: string): void {
    const current = this.#open.at(-1)
    if (current !== undefined) current.text += text
  }

  root(): XmlElement {
    while (this.#open.length > 0) this.close() // cut off, or never closed
    return this.#root ?? reject('it has no element')
  }
}

function localName(qualifiedName: string): string {
  return qualifiedName.slice(qualifiedName.lastIndexOf(':') + 1).toLowerCase()
}

function reject(why: string): never {
  throw refused(why)
}

function refused(why: string): ReachError {
  return new ReachError('ERR_REACH_DECODE', `this XML is refused: ${why}`)
}
