/** `URL.parse` of Node 22, for Node 20: undefined for what is no URL. */
export function parseUrl(text: string, base?: URL): URL | undefined {
  try {
    return new URL(text, base)
  } catch {
    return undefined // the only question is whether it parses
  }
}
