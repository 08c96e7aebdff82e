import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'ava'
import { USAGE } from '../../cli/usage.ts'
import { ERROR_CODES } from '../../lib/base/errors.ts'
import {
  headedCodes,
  localLinks,
  reachCommandsCalled,
  reachFlagsCalled,
  scriptsCalled,
  shellCommands,
  thinParagraphs,
} from './documents.ts'
import { readRepositoryFile, REPOSITORY } from './source-tree.ts'

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'docker/README.md',
  ...docsPages(),
]
const USAGE_TEXT = Object.values(USAGE).join('\n')

test('docs/errors.md explains every error code, and no other', (t) => {
  t.deepEqual(headedCodes(page('docs/errors.md')).toSorted(), [...ERROR_CODES].toSorted())
  t.deepEqual(thinParagraphs(page('docs/errors.md')), [])
})

test('the package scripts that README and CONTRIBUTING name exist', (t) => {
  const called = scriptsCalled(['README.md', 'CONTRIBUTING.md'].flatMap((name) => shellCommands(page(name))))
  t.true(called.includes('test') && called.includes('demo'), 'the two commands of the README')
  const scripts = packageScripts()
  t.deepEqual(
    called.filter((name) => !scripts.includes(name)),
    [],
  )
})

test('the commands and flags that README shows are in the usage text of the CLI', (t) => {
  const shown = shellCommands(page('README.md'))
  const called = reachCommandsCalled(shown)
  t.true(called.length > 0)
  t.deepEqual(
    called.filter((command) => !USAGE_TEXT.includes(`p2p-reach ${command}`)),
    [],
  )
  t.deepEqual(
    reachFlagsCalled(shown).filter((flag) => !new RegExp(`${flag}\\b`).test(USAGE_TEXT)),
    [],
  )
})

test('every package that the library needs has its reason in docs/dependencies.md', (t) => {
  const reasons = page('docs/dependencies.md')
  t.deepEqual(
    dependencies().filter((name) => !reasons.includes(`\`${name}\``)),
    [],
  )
})

test('links between the pages lead to files that exist', (t) => {
  const dead = PAGES.flatMap((name) =>
    localLinks(page(name))
      .filter((target) => !existsSync(join(REPOSITORY, dirname(name), target)))
      .map((target) => `${name} → ${target}`),
  )
  t.deepEqual(dead, [])
})

test('headings of codes are read, and a paragraph without an answer is found', (t) => {
  const text = [
    '## ERR_REACH_ONE',
    '**Meaning.** a **Usual cause.** b **What to do.** c',
    '## `ERR_REACH_TWO`',
    '**Meaning.** a, as in ERR_REACH_THREE',
    '## Others',
  ].join('\n')
  t.deepEqual(headedCodes(text), ['ERR_REACH_ONE', 'ERR_REACH_TWO'])
  t.deepEqual(thinParagraphs(text), [
    'ERR_REACH_TWO lacks **Usual cause.**',
    'ERR_REACH_TWO lacks **What to do.**',
  ])
})

test('commands are read from shell blocks only, without prompts and comments', (t) => {
  const text = [
    'Do not `npm run nothing`.',
    '```sh',
    '# first',
    '$ npm ci && npm run demo   # a lab',
    'npx p2p-reach relay up --listen 127.0.0.1:3478',
    'sudo p2p-reach demo',
    '```',
    '```ts',
    'npm run code',
    '```',
  ].join('\n')
  const commands = shellCommands(text)
  t.deepEqual(commands, [
    'npm ci',
    'npm run demo',
    'npx p2p-reach relay up --listen 127.0.0.1:3478',
    'sudo p2p-reach demo',
  ])
  t.deepEqual(scriptsCalled(commands), ['demo'])
  t.deepEqual(reachCommandsCalled(commands), ['relay up', 'demo'])
  t.deepEqual(reachFlagsCalled(commands), ['--listen'])
})

test('links to other sites and to anchors are not taken for files', (t) => {
  const text = '[a](docs/a.md#part) [b](https://example.org/b.md) [c](#here) [d](mailto:d@example.org)'
  t.deepEqual(localLinks(text), ['docs/a.md'])
})

function page(path: string): string {
  return readRepositoryFile(path) ?? ''
}

function docsPages(): readonly string[] {
  return readdirSync(join(REPOSITORY, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`)
}

function packageScripts(): readonly string[] {
  return keysOf('scripts')
}

function dependencies(): readonly string[] {
  return ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap(keysOf)
}

function keysOf(section: string): readonly string[] {
  const parsed: unknown = JSON.parse(page('package.json'))
  const value = isRecord(parsed) ? parsed[section] : undefined
  return isRecord(value) ? Object.keys(value) : []
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
