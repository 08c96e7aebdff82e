import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import test from 'ava'
import { REPOSITORY } from '../../architecture/source-tree.ts'

/** Scripts have no types, so a process of their own speaks JSON with the test. */
function ask(module: string, script: string, input: unknown): unknown {
  const url = pathToFileURL(join(REPOSITORY, 'scripts', 'dockerfile', module)).href
  const code = `
    const module = await import(process.argv[1])
    const input = JSON.parse(process.argv[2])
    const answer = (() => { try { ${script} } catch (error) { return error.message } })()
    console.log(JSON.stringify(answer ?? null))`
  const argv = ['--input-type=module', '--eval', code, url, JSON.stringify(input)]
  const { stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' })
  return stderr === '' ? JSON.parse(stdout) : stderr
}

const parse = (source: string) => ask('parse.mjs', 'return module.parseDockerfile(input)', source)

test('stages, flags and continued lines of a Dockerfile are read', (t) => {
  const source = [
    '# a comment',
    'ARG IMAGE=node:22-bookworm-slim',
    'FROM ${IMAGE} AS build',
    'RUN one && \\',
    '# in between',
    '    two',
    'FROM $IMAGE',
    'COPY --from=build /a ./b',
  ].join('\n')
  t.deepEqual(parse(source), [
    {
      image: 'node:22-bookworm-slim',
      name: 'build',
      steps: [{ name: 'RUN', flags: {}, text: 'one &&     two', line: 4 }],
    },
    {
      image: 'node:22-bookworm-slim',
      steps: [{ name: 'COPY', flags: { from: 'build' }, text: '/a ./b', line: 8 }],
    },
  ])
})

for (const [line, reason] of [
  ['ADD a b', /^Dockerfile:2: the instruction ADD is not known$/],
  ['ONBUILD RUN true', /ONBUILD is not known$/],
  ['RUN --mount=type=cache,target=/c true', /RUN --mount is not known$/],
  ['COPY --chown=1:1 a b', /COPY --chown is not known$/],
  ['COPY --link a b', /cannot read the flags of COPY$/],
  ['RUN <<END', /here-documents are not known$/],
  ['RUN true \\', /the last line is continued$/],
] as const) {
  test(`a Dockerfile with "${line}" is refused, not passed over`, (t) => {
    t.regex(String(parse(`FROM a\n${line}`)), reason)
  })
}

test('variables and words are taken as an engine takes them', (t) => {
  const expand = (text: string) => ask('parse.mjs', "return module.expand(input, { A: 'x', E: '' })", text)
  t.is(expand('$A-${A}-${E:-y}-${NONE}-\\$A'), 'x-x-y--$A')
  t.regex(String(expand('${A:+z}')), /cannot read/)
  t.deepEqual(ask('parse.mjs', 'return module.words(input)', `a="b c" 'd e' f\\ g`), ['a=b c', 'd e', 'f g'])
})

test('what .dockerignore leaves out is not copied, and the last rule that fits decides', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-reach-context-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['lib/deep', 'secret', 'scripts', 'out'])
    mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['lib/deep/a.ts', 'secret/key', 'scripts/one', 'scripts/two', 'lib/b.log'])
    writeFileSync(join(folder, name), name)
  const rules = ['*', '!lib', '**/*.log', '!scripts', 'scripts/*', '!scripts/one']
  writeFileSync(join(folder, '.dockerignore'), rules.join('\n'))
  const copy = (source: string) =>
    ask(
      'build-context.mjs',
      'return new module.BuildContext(input.folder).copy(input.source, input.folder + "/out/")',
      { folder, source },
    )
  t.is(copy('lib'), null)
  t.is(copy('scripts'), null)
  t.regex(String(copy('secret')), /not in the build context/)
  t.deepEqual(readdirSync(join(folder, 'out'), { recursive: true, encoding: 'utf8' }).toSorted(), [
    'deep',
    'deep/a.ts',
    'one',
  ])
})
