import test from 'ava'
import { globalViolations } from './check-globals.ts'
import { importViolations, unusedExceptions } from './check-imports.ts'
import { importCycles } from './find-cycles.ts'
import { readSourceTree, type SourceTree } from './source-tree.ts'

const HOUSE = readSourceTree(['lib', 'relay-server', 'cli'])

test('the house: imports point downwards only', (t) => {
  t.true(HOUSE.has('lib/base/errors.ts'), 'the tree was read')
  t.deepEqual(importViolations(HOUSE), [])
})

test('the house: no file imports itself through others', (t) => {
  t.deepEqual(importCycles(HOUSE), [])
})

test('the house: time, chance and the world come from Runtime', (t) => {
  t.deepEqual(globalViolations(HOUSE), [])
})

test('the house: no exception outlives its need', (t) => {
  t.deepEqual(unusedExceptions(HOUSE), [])
})

/** A small tree: the given files, and some for them to import. */
function treeWith(files: Readonly<Record<string, string>>): SourceTree {
  const ground = [
    'lib/base/words.ts',
    'lib/base/exhaustive.ts',
    'lib/protocol/stun/message.ts',
    'lib/net/driver.ts',
    'lib/identity/keys.ts',
    'lib/probe/prober.ts',
    'lib/punch/puncher.ts',
    'lib/peer/peer.ts',
    'lib/index.ts',
    'relay-server/relay-server.ts',
    'relay-server/config.ts',
    'cli/demo/lab/lab.ts',
    'cli/main.ts',
  ]
  return new Map([...ground.map((path) => [path, ''] as const), ...Object.entries(files)])
}

const FORBIDDEN: readonly (readonly [why: string, path: string, text: string, complaint: RegExp])[] = [
  [
    'base imports protocol',
    'lib/base/a.ts',
    "import { x } from '../protocol/stun/message.ts'",
    /base may not/,
  ],
  ['protocol imports net', 'lib/protocol/a.ts', "import { x } from '../net/driver.ts'", /protocol may not/],
  ['net imports a sibling', 'lib/net/a.ts', "import { x } from '../identity/keys.ts'", /net may not/],
  [
    'a feature imports a sibling',
    'lib/probe/a.ts',
    "import { x } from '../punch/puncher.ts'",
    /feature lib\/probe/,
  ],
  [
    'a type-only import',
    'lib/probe/a.ts',
    "import type { X } from '../punch/puncher.ts'",
    /feature lib\/probe/,
  ],
  ['a re-export', 'lib/probe/a.ts', "export { x } from '../punch/puncher.ts'", /feature lib\/probe/],
  ['a re-export of all', 'lib/probe/a.ts', "export * from '../punch/puncher.ts'", /feature lib\/probe/],
  ['an import type', 'lib/probe/a.ts', "type X = import('../punch/puncher.ts').X", /feature lib\/probe/],
  ['a dynamic import', 'lib/probe/a.ts', "await import('../punch/puncher.ts')", /feature lib\/probe/],
  ['a computed import', 'lib/probe/a.ts', 'await import(name)', /at run time/],
  [
    'a feature imports the peer',
    'lib/probe/a.ts',
    "import { x } from '../peer/peer.ts'",
    /feature lib\/probe/,
  ],
  [
    'the relay imports a feature',
    'relay-server/a.ts',
    "import { x } from '../lib/probe/prober.ts'",
    /relay-server/,
  ],
  ['the cli goes past the door', 'cli/a.ts', "import { x } from '../lib/base/words.ts'", /cli may not/],
  [
    'the cli picks from the server',
    'cli/a.ts',
    "import { x } from '../relay-server/config.ts'",
    /cli may not/,
  ],
  [
    'the lab imports the library',
    'cli/demo/lab/a.ts',
    "import { x } from '../../../lib/index.ts'",
    /lab may not/,
  ],
  ['lib imports a test', 'lib/base/a.ts', "import { x } from '../../test/a.ts'", /no source file/],
  ['a missing extension', 'lib/base/a.ts', "import { x } from './words'", /no source file/],
  [
    'base opens sockets',
    'lib/base/a.ts',
    "import { createSocket } from 'node:dgram'",
    /may not import node:dgram/,
  ],
  ['an unprefixed builtin', 'lib/net/a.ts', "import { connect } from 'net'", /write node:net/],
  [
    'a feature opens sockets',
    'lib/probe/a.ts',
    "import { connect } from 'node:net'",
    /may not import node:net/,
  ],
  ['a feature arms timers', 'lib/probe/a.ts', "import { setTimeout } from 'node:timers'", /node:timers/],
  ['a builtin nobody may use', 'lib/net/a.ts', "import { fork } from 'node:cluster'", /no rule allows it/],
  ['a builtin by require', 'lib/probe/a.ts', "const net = require('node:net')", /may not import node:net/],
  ['a builtin by its getter', 'lib/probe/a.ts', "process.getBuiltinModule('node:net')", /node:net/],
  ['protocol makes streams', 'lib/protocol/a.ts', "import { Duplex } from 'node:stream'", /import type/],
  ['inline types stay imports', 'lib/base/a.ts', "import { type Duplex } from 'node:stream'", /import type/],
  [
    'protocol draws chance',
    'lib/protocol/a.ts',
    "import { randomBytes } from 'node:crypto'",
    /runtime.random/,
  ],
  [
    'renamed chance',
    'lib/protocol/a.ts',
    "import { randomInt as hash } from 'node:crypto'",
    /runtime.random/,
  ],
  ['hidden chance', 'lib/protocol/a.ts', "import * as crypto from 'node:crypto'", /by name/],
  ['an unexplained package', 'lib/net/a.ts', "import { x } from 'left-pad'", /may not import left-pad/],
  ['a file without a layer', 'lib/stray.ts', '', /no layer/],
]

for (const [why, path, text, complaint] of FORBIDDEN) {
  test(`the checker of imports objects: ${why}`, (t) => {
    const [first = '', ...others] = importViolations(treeWith({ [path]: text }))
    t.regex(first, complaint)
    t.true(first.startsWith(path), first)
    t.deepEqual(others, [])
  })
}

test('the checker of imports lets downward arrows, own folders and listed modules pass', (t) => {
  const tree = treeWith({
    'lib/base/a.ts': "import { x } from './words.ts'\nimport type { Duplex } from 'node:stream'",
    'lib/protocol/ice/a.ts':
      "import { x } from '../stun/message.ts'\nimport { createHmac } from 'node:crypto'",
    'lib/net/a.ts': "import { createSocket } from 'node:dgram'\nimport { x } from '../base/words.ts'",
    'lib/probe/a.ts': "import { x } from '../net/driver.ts'\nimport { connect } from 'node:tls'",
    'lib/peer/a.ts': "import { x } from '../probe/prober.ts'\nimport { y } from '../punch/puncher.ts'",
    'cli/a.ts': "import { x } from '../lib/index.ts'\nimport { y } from '../relay-server/relay-server.ts'",
    'cli/demo/a.ts':
      "import { x } from './lab/lab.ts'\nimport { unreachable } from '../../lib/base/exhaustive.ts'",
    'cli/demo/lab/a.ts':
      "import { spawn } from 'node:child_process'\nimport { x } from '../../../lib/base/words.ts'",
  })
  t.deepEqual(importViolations(tree), [])
})

test('an exception lets its import pass, and is told when no import needs it', (t) => {
  const tree = treeWith({ 'cli/a.ts': "import { x } from '../relay-server/config.ts'" })
  const exceptions = [
    { from: 'cli/', to: 'relay-server/config.ts', why: 'for this test' },
    { from: 'cli/main.ts', to: 'lib/base/words.ts', why: 'once upon a time' },
  ]
  const rules = { exceptions, builtins: [], packages: [] }
  t.deepEqual(importViolations(tree, rules), [])
  t.deepEqual(unusedExceptions(tree, rules), ['nothing in cli/main.ts imports lib/base/words.ts any more'])
})

test('the checker of cycles finds circles of two and of three files, of types too', (t) => {
  const tree = treeWith({
    'lib/base/a.ts': "import { b } from './b.ts'",
    'lib/base/b.ts': "import type { A } from './a.ts'",
    'lib/base/c.ts': "export * from './d.ts'",
    'lib/base/d.ts': "import { e } from './e.ts'\nimport { words } from './words.ts'",
    'lib/base/e.ts': "import { c } from './c.ts'\nimport { words } from './words.ts'",
  })
  t.deepEqual(importCycles(tree), [
    'lib/base/a.ts → lib/base/b.ts → lib/base/a.ts',
    'lib/base/c.ts → lib/base/d.ts → lib/base/e.ts → lib/base/c.ts',
  ])
})

const IMPURE: readonly string[] = [
  'setTimeout(f, 1)',
  'const later = setTimeout',
  'const timers = { setTimeout }',
  'queue.push(setImmediate)',
  'Date.now()',
  'new Date()',
  'Date()',
  'performance.now()',
  'Math.random()',
  'AbortSignal.timeout(1)',
  'process.env.HOME',
  'crypto.getRandomValues(bytes)',
  "console.log('hello')",
  "await fetch('https://example.org')",
  'globalThis.setTimeout(f, 1)',
]

for (const text of IMPURE) {
  test(`the checker of globals objects to ${text}`, (t) => {
    t.is(globalViolations(treeWith({ 'lib/probe/a.ts': text })).length, 1)
    t.deepEqual(globalViolations(treeWith({ 'lib/net/a.ts': text, 'cli/a.ts': text })), [])
  })
}

test('the checker of globals lets namesakes, parsing of dates and pure members pass', (t) => {
  const text = `
    import { process } from './words.ts'
    interface Clock { setTimeout(f: () => void): void; readonly performance: number }
    function late(clock: Clock, console: string) { clock.setTimeout(() => undefined); return console }
    export const when = new Date(0).getTime() + Date.parse('1970-01-01') + Math.max(1, 2)
    export const settings = { fetch: 1, timer: late }
    export const run = () => process.run(AbortSignal.any([]))
  `
  t.deepEqual(globalViolations(treeWith({ 'lib/probe/a.ts': text })), [])
})
