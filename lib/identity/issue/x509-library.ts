/** The library that writes certificates. */
export type X509Library = typeof import('@peculiar/x509')

let loading: Promise<X509Library> | undefined

/** Loads it on first use: it takes a tenth of a second, which only whoever makes certificates should pay. */
export function loadX509(): Promise<X509Library> {
  return (loading ??= load())
}

async function load(): Promise<X509Library> {
  await import('reflect-metadata') // its dependency injection looks for this
  return import('@peculiar/x509')
}
