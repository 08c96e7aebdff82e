import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import type { ExecutionContext } from 'ava'
import { ReachError } from '../../../lib/base/errors.ts'
import type { Environment, Settings, SettingSpecs } from '../../../cli/settings.ts'
import { readSettings, variableOf } from '../../../cli/settings.ts'

const SPECS: SettingSpecs = {
  stun: { kind: 'list' },
  admin: { kind: 'text' },
  deep: { kind: 'flag' },
  json: { kind: 'flag', flagOnly: true },
}

/** A home folder with this in its config file: a value to be written as JSON, or the file's very text. */
function homeWith(t: ExecutionContext, config?: unknown, text = JSON.stringify(config)): string {
  const home = mkdtempSync(join(tmpdir(), 'settings-test-'))
  t.teardown(() => rmSync(home, { recursive: true, force: true }))
  if (config !== undefined) writeFileSync(join(home, 'config.json'), text)
  return home
}

function read(home: string, argv: readonly string[] = [], env: Environment = {}): Settings {
  return readSettings('diagnose', SPECS, ['--home', home, ...argv], env)
}

function fails(t: ExecutionContext, run: () => unknown, code: string, message: RegExp, hint?: RegExp): void {
  const error = t.throws(run, { code, message })
  if (hint !== undefined) t.regex(ReachError.is(error) ? (error.hint ?? '') : '', hint)
}

test('a flag beats the environment, which beats the command’s section, which beats the top of the config file', (t) => {
  const home = homeWith(t, { home: '/from/top', diagnose: { admin: 'file', home: '/from/section' } })
  const env = { P2P_REACH_ADMIN: 'environment' }
  t.is(read(home, ['--admin', 'flag'], env).text('admin'), 'flag')
  t.is(read(home, [], env).text('admin'), 'environment')
  t.is(read(home, [], { P2P_REACH_ADMIN: '' }).text('admin'), 'file')
  t.is(read(homeWith(t), []).text('admin'), undefined)
  const config = ['--config', join(home, 'config.json')]
  t.is(readSettings('diagnose', SPECS, config, {}).home, '/from/section')
  t.is(readSettings('relay-up', {}, config, { P2P_REACH_HOME: '/from/env' }).home, '/from/env')
  t.is(readSettings('relay-up', {}, config, {}).home, '/from/top')
})

test('the home folder of the environment is where the config file is looked for', (t) => {
  const home = homeWith(t, { diagnose: { deep: true } })
  const settings = readSettings('diagnose', SPECS, [], { P2P_REACH_HOME: home })
  t.true(settings.flag('deep'))
  t.is(settings.home, home)
})

test('lists: a repeated flag, commas in the environment, an array in the file; the first that is given counts alone', (t) => {
  const home = homeWith(t, { diagnose: { stun: ['file-one', 'file-two'] } })
  const env = { P2P_REACH_STUN: 'env-one, env-two ,env-three' }
  t.deepEqual(read(home, ['--stun', 'a', '--stun=b'], env).list('stun'), ['a', 'b'])
  t.deepEqual(read(home, [], env).list('stun'), ['env-one', 'env-two', 'env-three'])
  t.deepEqual(read(home).list('stun'), ['file-one', 'file-two'])
  t.deepEqual(read(homeWith(t)).list('stun'), [])
})

test('on and off in the environment: 1, true, 0, false, and nothing else', (t) => {
  const home = homeWith(t, { diagnose: { deep: true } })
  for (const text of ['1', 'true']) t.true(read(homeWith(t), [], { P2P_REACH_DEEP: text }).flag('deep'))
  for (const text of ['0', 'false']) t.false(read(home, [], { P2P_REACH_DEEP: text }).flag('deep'))
  t.true(read(home).flag('deep'))
  for (const text of ['yes', 'on', 'TRUE', ' 1'])
    fails(
      t,
      () => read(home, [], { P2P_REACH_DEEP: text }).flag('deep'),
      'ERR_REACH_CONFIG',
      /^P2P_REACH_DEEP is "/,
      /1 or 0/,
    )
})

test('what is only a flag is read neither from the environment nor from the file', (t) => {
  t.false(read(homeWith(t), [], { P2P_REACH_JSON: '1' }).flag('json'))
  t.true(read(homeWith(t), ['--json']).flag('json'))
  const home = homeWith(t, { diagnose: { json: true } })
  fails(
    t,
    () => read(home),
    'ERR_REACH_CONFIG',
    /unknown key "json"$/,
    /^known keys: home, stun, admin, deep$/,
  )
})

test('unknown flags, missing values and wrong kinds of flags are usage errors with a hint', (t) => {
  const home = homeWith(t)
  const refused = (argv: readonly string[], message: RegExp) =>
    fails(t, () => read(home, argv), 'ERR_REACH_USAGE', message, /^see {2}p2p-reach diagnose --help$/)
  refused(['--stunn', 'x'], /^unknown option '--stunn'$/)
  refused(['-x'], /^unknown option '-x'$/)
  refused(['--stun'], /^option '--stun <value>' argument missing$/)
  refused(['--stun', '--deep'], /^option '--stun' argument is ambiguous/)
  refused(['--deep=1'], /^option '--deep' does not take an argument$/)
  refused(['--constructor'], /^unknown option '--constructor'$/)
})

test('what stands behind the flags is kept', (t) => {
  t.deepEqual(read(homeWith(t), ['one', '--deep', '--', '--two']).positionals, ['one', '--two'])
})

test('unknown keys of the config file are errors that name the known ones', (t) => {
  for (const config of [
    { diagnose: { stunn: [] } },
    { diagnose: { config: 'x' } },
    { diagnose: { help: true } },
    { diagnose: { constructor: 'x' } },
    { diagnose: { nested: {} } },
  ])
    fails(
      t,
      () => read(homeWith(t, config)),
      'ERR_REACH_CONFIG',
      /config\.json: unknown key "\w+"$/,
      /^known keys: /,
    )
  fails(
    t,
    () => read(homeWith(t, { stun: [] })),
    'ERR_REACH_CONFIG',
    /unknown key "stun"$/,
    /^known keys: home$/,
  )
  for (const name of ['diagnos', 'demo', 'toString'])
    fails(
      t,
      () => read(homeWith(t, { [name]: {} })),
      'ERR_REACH_CONFIG',
      new RegExp(`unknown key "${name}"$`),
      /^known sections: diagnose, relay-up$/,
    )
})

test('a section that is no object is an error of its own', (t) => {
  for (const value of ['x', [], null, 1])
    fails(
      t,
      () => read(homeWith(t, { diagnose: value })),
      'ERR_REACH_CONFIG',
      /config\.json: diagnose must hold/,
    )
})

test('wrong kinds in the config file are errors that say what is wanted', (t) => {
  const refused = (settings: unknown, message: RegExp) =>
    fails(t, () => read(homeWith(t, { diagnose: settings })), 'ERR_REACH_CONFIG', message)
  refused({ deep: 'yes' }, /deep must be true or false$/)
  refused({ admin: 443 }, /admin must be a text$/)
  refused({ admin: null }, /admin must be a text$/)
  refused({ stun: 'one' }, /stun must be a list of texts$/)
  refused({ stun: ['one', 2] }, /stun must be a list of texts$/)
})

test('another command’s section is left alone', (t) => {
  const home = homeWith(t, { 'relay-up': { listen: ['127.0.0.1:1'] }, diagnose: { deep: true } })
  t.true(read(home).flag('deep'))
})

test('a broken config file is an error; a missing one only where it was asked for', (t) => {
  for (const text of ['{', '', '{"diagnose": {},}', '\u0000'])
    fails(t, () => read(homeWith(t, {}, text)), 'ERR_REACH_CONFIG', /config\.json is no valid JSON$/)
  for (const text of ['[]', '1', 'null', '"x"'])
    fails(t, () => read(homeWith(t, {}, text)), 'ERR_REACH_CONFIG', /config\.json must hold a JSON object$/)
  const home = homeWith(t)
  t.notThrows(() => read(home))
  t.notThrows(() => read(join(home, 'nowhere')))
  const missing = join(home, 'missing.json')
  fails(
    t,
    () => read(home, ['--config', missing]),
    'ERR_REACH_CONFIG',
    /^cannot read the config file .*missing\.json$/,
    /check the path/,
  )
  fails(t, () => read(home, ['--config', home]), 'ERR_REACH_CONFIG', /^cannot read the config file/)
})

test('the default home is the platform’s', (t) => {
  if (process.platform !== 'linux') return t.pass()
  const settings = readSettings('diagnose', SPECS, [], { XDG_CONFIG_HOME: '/nonexistent/config' })
  t.is(settings.home, '/nonexistent/config/p2p-reach')
})

test('a setting’s variable is its name in capitals', (t) => {
  t.is(variableOf('tls-cert'), 'P2P_REACH_TLS_CERT')
})
