/** The layers, from the ground up (docs/architecture.md). `feature` is any folder of lib that is not named here. */
export const LAYERS = [
  'base',
  'protocol',
  'net',
  'identity',
  'feature',
  'peer',
  'index',
  'relay-server',
  'lab',
  'demo',
  'cli',
] as const

export type Layer = (typeof LAYERS)[number]

/** Where a file stands: its layer, and the folder within which files may import each other freely. */
export interface Place {
  readonly layer: Layer
  readonly folder: string
}

/** The place of a file, by its path from the repository's root; undefined outside the layered folders. */
export function placeOf(path: string): Place | undefined {
  const [top, second, third] = path.split('/')
  if (path === 'lib/index.ts') return { layer: 'index', folder: path }
  if (top === 'lib' && second !== undefined && third !== undefined) {
    const layer = (['base', 'protocol', 'net', 'identity', 'peer'] as const).find((name) => name === second)
    return { layer: layer ?? 'feature', folder: `lib/${second}` }
  }
  if (top === 'relay-server') return { layer: 'relay-server', folder: 'relay-server' }
  if (path.startsWith('cli/demo/lab/')) return { layer: 'lab', folder: 'cli/demo/lab' }
  if (path.startsWith('cli/demo/')) return { layer: 'demo', folder: 'cli/demo' }
  if (top === 'cli') return { layer: 'cli', folder: 'cli' }
  return undefined
}

/** What a layer may import from other layers, and why. Its own folder is always allowed; the rest is not. */
export interface LayerRule {
  readonly mayImport: readonly Layer[]
  readonly why: string
}

/** layer → layers below it that it may use. */
export const LAYER_RULES: Readonly<Record<Layer, LayerRule>> = {
  base: { mayImport: [], why: 'the ground: words that everybody uses' },
  protocol: {
    mayImport: ['base'],
    why: 'bytes and state machines, the same on sockets and in the simulator',
  },
  net: { mayImport: ['base', 'protocol'], why: 'gives machines their sockets and timers; knows no feature' },
  identity: { mayImport: ['base', 'protocol'], why: 'keys and certificates need no socket' },
  feature: {
    mayImport: ['base', 'protocol', 'net', 'identity'],
    why: 'what two features share is an interface below them, so that either can be changed or dropped alone',
  },
  peer: {
    mayImport: ['base', 'protocol', 'net', 'identity', 'feature'],
    why: 'the only place that joins features, hence the only one that knows the connect strategy',
  },
  index: {
    mayImport: ['base', 'protocol', 'net', 'identity', 'feature', 'peer'],
    why: 'the public door shows whatever is public',
  },
  'relay-server': {
    mayImport: ['base', 'protocol', 'net', 'identity'],
    why: 'a relay is no peer: it needs no feature of one',
  },
  lab: {
    mayImport: ['base'],
    why: 'it builds networks for tests and demos, and runs no part of the product',
  },
  demo: {
    mayImport: ['base', 'index', 'lab'],
    why: 'it plays the internet around two peers: namespaces and a name server, which no embedder has to do',
  },
  cli: { mayImport: ['index', 'lab', 'demo'], why: 'what the CLI can do, an embedder can do' },
}

/** Single files behind another layer's wall that may be imported all the same, and why. Unused ones must go. */
export interface LayerException {
  /** A file, or a folder with a `/` at its end. */
  readonly from: string
  readonly to: string
  readonly why: string
}

export const LAYER_EXCEPTIONS: readonly LayerException[] = [
  {
    from: 'cli/',
    to: 'relay-server/relay-server.ts',
    why: 'the server starts and stops through this one file; `relay up` and the demo are shells around it',
  },
  {
    from: 'relay-server/ssh/',
    to: 'lib/ssh/channel-stream.ts',
    why: 'a channel of ssh2 made a Duplex that keeps its contract is the same on both sides of SSH',
  },
  {
    from: 'cli/demo/',
    to: 'cli/version.ts',
    why: 'the demo’s relay says its version',
  },
  {
    from: 'cli/demo/',
    to: 'cli/program-files.ts',
    why: 'the demo starts the command line as a process, and a path is right only beside main.js',
  },
  {
    from: 'cli/',
    to: 'lib/base/exhaustive.ts',
    why: '`unreachable` closes a switch; it is grammar, no part of the product, so the public door does not show it',
  },
]

/** Node modules that some layers may use, and why. What is not listed for a layer is not allowed there. */
export interface BuiltinRule {
  readonly modules: readonly string[]
  readonly layers: readonly Layer[]
  /** True when only `import type` is allowed. */
  readonly typesOnly?: boolean
  readonly why: string
}

const ABOVE_PROTOCOL: readonly Layer[] = LAYERS.filter((layer) => layer !== 'base' && layer !== 'protocol')

export const BUILTIN_RULES: readonly BuiltinRule[] = [
  {
    modules: ['node:crypto'],
    layers: LAYERS,
    why: 'hashes, HMACs and signatures depend on their input alone (what draws random numbers: see RANDOM_NAMES)',
  },
  {
    modules: ['node:events', 'node:stream'],
    layers: ['base', 'protocol'],
    typesOnly: true,
    why: 'an interface may speak of a Duplex; making one is for the layers above',
  },
  {
    modules: [
      'node:events',
      'node:stream',
      'node:stream/promises',
      'node:buffer',
      'node:diagnostics_channel',
      'node:path',
      'node:url',
      'node:util',
    ],
    layers: ABOVE_PROTOCOL,
    why: 'they do no I/O of their own',
  },
  {
    modules: [
      'node:net',
      'node:dgram',
      'node:dns',
      'node:dns/promises',
      'node:os',
      'node:child_process',
      'node:timers',
      'node:timers/promises',
      'node:perf_hooks',
      'node:fs',
      'node:fs/promises',
    ],
    layers: ['net'],
    why: 'lib/net alone implements Runtime: sockets, timers, clocks and questions to the operating system',
  },
  {
    modules: ['node:v8', 'node:vm'],
    layers: ['net'],
    why: 'V8 is asked to free what was received (lib/net/scavenge.ts); how that is done is nobody else’s business',
  },
  {
    modules: ['node:tls'],
    layers: ['net', 'identity', 'feature', 'peer', 'relay-server'],
    why: 'TLS runs over sockets that it is given',
  },
  {
    modules: ['node:async_hooks'],
    layers: ['identity'],
    why: 'a TLS server does not say which transport a handshake belongs to; its asynchronous context does',
  },
  {
    modules: ['node:http', 'node:https'],
    layers: ['net', 'feature', 'peer', 'relay-server'],
    why: 'HTTP runs over sockets that it is given',
  },
  {
    modules: ['node:fs', 'node:fs/promises'],
    layers: ['identity', 'relay-server', 'cli', 'demo', 'lab'],
    why: 'key files; configuration, state and reports of the two programs',
  },
  {
    modules: ['node:child_process', 'node:os'],
    layers: ['lab', 'demo'],
    why: 'namespaces are made by ip, nft and unshare; signals have numbers',
  },
  {
    modules: ['node:dgram'],
    layers: ['demo'],
    why: 'the demo’s name server is no part of the product',
  },
  {
    modules: ['node:os', 'node:process', 'node:tty', 'node:readline', 'node:readline/promises'],
    layers: ['cli', 'demo'],
    why: 'a program knows its platform, arguments and terminal',
  },
  {
    modules: ['node:net'],
    layers: ['relay-server'],
    typesOnly: true,
    why: 'its sockets come from lib/net; their type is Node’s',
  },
  {
    modules: ['node:process'],
    layers: ['relay-server'],
    why: 'a program knows its arguments and signals',
  },
]

/** Names of node:crypto that draw random numbers; only these layers may import them. */
export const RANDOM_NAMES: readonly string[] = [
  'getRandomValues',
  'randomBytes',
  'randomFill',
  'randomFillSync',
  'randomInt',
  'randomUUID',
  'webcrypto',
]
export const RANDOM_LAYERS: readonly Layer[] = ['net', 'identity', 'lab', 'demo', 'cli']

/** Packages from the registry that code may import, and why; each is explained in docs/dependencies.md. */
export const PACKAGE_RULES: readonly BuiltinRule[] = [
  {
    modules: ['@peculiar/x509', 'reflect-metadata'],
    layers: ['identity'],
    why: 'Node reads certificates but makes none; imported when a certificate is made, for both are slow to load',
  },
  {
    modules: ['sax'],
    layers: ['protocol'],
    why: 'what UPnP gateways say is XML, and seldom good XML; a tokenizer that declares no entities and does no I/O',
  },
  {
    modules: ['udx-native'],
    layers: ['net'],
    why: 'streams over UDP; optional, so it is imported when the first such socket is wanted',
  },
  {
    modules: ['ws'],
    layers: ['net'],
    why: 'frames of WebSocket, on both sides; its sockets are those that it is given',
  },
  {
    modules: ['ssh2'],
    layers: ['feature', 'relay-server'],
    why: 'SSH over sockets that it is given; imported when the first server is dialled, or a relay with a network starts',
  },
  {
    modules: ['dns-packet'],
    layers: ['protocol'],
    why: 'multicast DNS is DNS; a codec of bytes that does no I/O',
  },
  {
    modules: ['qr'],
    layers: ['cli'],
    why: 'join strings and PeerIds as codes that a phone can read',
  },
]
