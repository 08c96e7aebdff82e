import test from 'ava'
import { readRepositoryFile, readSourceTree } from './source-tree.ts'

/* No test, bench or example speaks on the LAN of the machine that runs it: three bolts, each enough by itself. */

test('the library looks for nobody on the LAN unless it is told to', (t) => {
  const source = readRepositoryFile('lib/peer/peer-parts.ts') ?? ''
  t.regex(source, /options\.lan === true \?/)
})

test('a process that a test starts finds the LAN switched off in its environment', (t) => {
  t.is(process.env['P2P_REACH_NO_LAN'], '1')
  t.regex(readRepositoryFile('ava.config.js') ?? '', /environmentVariables: \{\s+P2P_REACH_NO_LAN: '1'/)
})

test('only labs of network namespaces switch it on', (t) => {
  const speakers = [...readSourceTree(['test', 'bench', 'cli/demo'])]
    .filter(([path, text]) => !path.startsWith('test/architecture/') && /\blan: true\b/.test(text))
    .map(([path]) => path)
  t.deepEqual(
    speakers.filter((path) => !path.startsWith('test/netns/')),
    [],
  )
})
