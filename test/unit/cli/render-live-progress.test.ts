import test from 'ava'
import fc from 'fast-check'
import type { LiveProgressOptions, ProgressStream } from '../../../cli/render/live-progress.ts'
import { LiveProgress } from '../../../cli/render/live-progress.ts'
import { textWidth } from '../../../cli/render/text-width.ts'

/** A terminal as far as progress uses one: rows, wrapping, cursor up, erase below. */
class FakeTerminal implements ProgressStream {
  columns: number
  rows = 24
  written = ''
  readonly listeners = new Set<() => void>()
  #lines: string[] = ['']

  constructor(columns = 80) {
    this.columns = columns
  }

  write(text: string): void {
    this.written += text
    for (const part of text.split(/(\x1b\[\d*[AJ]|\r|\n)/)) this.#take(part)
  }

  on(_event: 'resize', listener: () => void): void {
    this.listeners.add(listener)
  }

  off(_event: 'resize', listener: () => void): void {
    this.listeners.delete(listener)
  }

  /** As terminals that reflow: what was wider than the new width takes more rows. */
  resize(columns: number): void {
    this.columns = columns
    this.#lines = this.#lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, 'gu')) ?? [''])
    for (const listener of this.listeners) listener()
  }

  /** What a person sees; the cursor is at the end of the last line. */
  get screen(): readonly string[] {
    return this.#lines
  }

  #take(part: string): void {
    const up = /^\x1b\[(\d+)A$/.exec(part)
    if (up !== null) this.#lines.splice(this.#lines.length - Number(up[1]))
    else if (part === '\x1b[J') this.#lines.splice(-1, 1, '')
    else if (part === '\n') this.#lines.push('')
    else if (part !== '\r') this.#lines.push((this.#lines.pop() ?? '') + part)
  }
}

const TITLE = 'Looking at your network …'

function start(terminal: FakeTerminal, options: Partial<LiveProgressOptions> = {}): LiveProgress {
  return new LiveProgress(terminal, {
    title: TITLE,
    isLive: true,
    unicode: true,
    keepsBlock: true,
    ...options,
  })
}

function fact(group: string, label: string, text: string) {
  return { kind: 'fact', group, label, text } as const
}

test('writes its first line at once, live or not', (t) => {
  for (const isLive of [true, false]) {
    const terminal = new FakeTerminal()
    start(terminal, { isLive })
    t.is(terminal.written, `${TITLE}\n`)
  }
})

test('a live block changes in place, groups in the order of the report', (t) => {
  const terminal = new FakeTerminal()
  const progress = start(terminal)
  progress.handle(fact('NAT', 'mapping', 'measuring'))
  progress.handle(fact('Addresses', 'IPv4', '203.0.113.50'))
  progress.handle(fact('NAT', 'mapping', 'endpoint-independent'))
  progress.handle(fact('NAT', 'filtering', 'address-dependent'))
  t.deepEqual(terminal.screen, [
    TITLE,
    '  Addresses  IPv4 203.0.113.50',
    '  NAT        mapping endpoint-independent · filtering address-dependent',
    '',
  ])
})

test('facts that do not fit go on in the next line, under each other', (t) => {
  const terminal = new FakeTerminal(40)
  const progress = start(terminal)
  for (const name of ['one', 'two', 'three', 'four']) progress.handle(fact('NAT', name, 'abcdefghi'))
  t.deepEqual(terminal.screen, [
    TITLE,
    '  NAT  one abcdefghi · two abcdefghi',
    '       three abcdefghi · four abcdefghi',
    '',
  ])
})

test('the end keeps the block, or takes it away for a report that follows', (t) => {
  for (const keepsBlock of [true, false]) {
    const terminal = new FakeTerminal()
    const progress = start(terminal, { keepsBlock })
    progress.handle(fact('NAT', 'mapping', 'none'))
    progress.handle({ kind: 'done' })
    t.deepEqual(terminal.screen, keepsBlock ? [TITLE, '  NAT  mapping none', ''] : [''])
  }
})

test('never hides the cursor and always leaves it on an empty line below', (t) => {
  const terminal = new FakeTerminal()
  const progress = start(terminal)
  for (let i = 0; i < 20; i++) {
    progress.handle(fact('Ways out', `way ${i}`, 'works'))
    t.is(terminal.screen.at(-1), '')
  }
  t.false(terminal.written.includes('\x1b[?25l'))
})

test('an abort ends it: what is there stays, nothing more is written, listeners go', (t) => {
  const terminal = new FakeTerminal()
  const controller = new AbortController()
  const progress = start(terminal, { signal: controller.signal })
  progress.handle(fact('NAT', 'mapping', 'none'))
  controller.abort()
  const { written } = terminal
  progress.handle(fact('NAT', 'filtering', 'none'))
  progress.handle({ kind: 'done' })
  terminal.resize(40)
  t.is(terminal.written, written)
  t.deepEqual(terminal.screen, [TITLE, '  NAT  mapping none', ''])
  t.is(terminal.listeners.size, 0)
})

test('a signal that had fired before leaves the title only', (t) => {
  const terminal = new FakeTerminal()
  const progress = start(terminal, { signal: AbortSignal.abort() })
  progress.handle(fact('NAT', 'mapping', 'none'))
  t.deepEqual(terminal.screen, [TITLE, ''])
  t.is(terminal.listeners.size, 0)
})

test('leaving its scope ends it', (t) => {
  const terminal = new FakeTerminal()
  const progress = start(terminal)
  progress[Symbol.dispose]()
  progress.close()
  progress.handle(fact('NAT', 'mapping', 'none'))
  t.is(terminal.written, `${TITLE}\n`)
  t.is(terminal.listeners.size, 0)
})

test('a narrower terminal gets a new block in the place of the wrapped one', (t) => {
  const terminal = new FakeTerminal(80)
  const progress = start(terminal)
  progress.handle(fact('NAT', 'mapping', 'endpoint-independent'))
  progress.handle(fact('NAT', 'filtering', 'address-and-port-dependent'))
  terminal.resize(40)
  t.deepEqual(terminal.screen, [
    TITLE,
    '  NAT  mapping endpoint-independent',
    '       filtering address-and-port-depe…',
    '',
  ])
})

test('a block higher than the terminal shows its end, so that it can be taken back', (t) => {
  const terminal = new FakeTerminal(30)
  terminal.rows = 6
  const progress = start(terminal)
  for (let i = 0; i < 12; i++) progress.handle(fact('Ways out', `server ${i}`, 'answered'))
  t.is(terminal.screen.length, 6)
  t.is(terminal.screen[0], TITLE)
  t.regex(terminal.screen[4] ?? '', /server 11/)
})

test('plain lines come once each, without escape sequences', (t) => {
  const terminal = new FakeTerminal()
  const progress = start(terminal, { isLive: false, keepsBlock: false })
  progress.handle(fact('NAT', 'mapping', 'measuring'))
  progress.handle(fact('NAT', 'mapping', 'measuring'))
  progress.handle(fact('NAT', 'mapping', 'none'))
  progress.handle(fact('NAT', 'mapping', 'measuring'))
  progress.handle({ kind: 'done' })
  t.is(terminal.written, `${TITLE}\nNAT: mapping measuring\nNAT: mapping none\n`)
})

test('is plain ASCII where the locale is not UTF-8', (t) => {
  const terminal = new FakeTerminal(30)
  const progress = start(terminal, { unicode: false })
  progress.handle(fact('Wäys', 'ünë → ✓', '漢'))
  progress.handle(fact('Wäys', 'two', 'x'.repeat(50)))

  t.regex(terminal.written, /^[\x1b\n\r\x20-\x7e]*$/)
  t.true(terminal.screen.some((line) => line.includes('une -> +')))
})

test('whatever the events say, no line reaches the last column and nothing but the block moves the cursor', (t) => {
  const text = fc.string({ unit: 'binary', maxLength: 60 })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(text, text, text), { maxLength: 12 }),
      fc.integer({ min: 4, max: 100 }),
      (events, columns) => {
        const terminal = new FakeTerminal(columns)
        const progress = start(terminal)
        for (const [group, label, value] of events) progress.handle(fact(group, label, value))

        const rest = terminal.written.replace(/\x1b\[\d+A\r\x1b\[J/g, '')
        return terminal.screen.every((line) => textWidth(line) < columns) && !/[^\P{Cc}\n]/u.test(rest)
      },
    ),
    { numRuns: 100 },
  )
  t.pass()
})

test('endless news take no endless memory: what is beyond the limits is not shown', (t) => {
  const terminal = new FakeTerminal()
  const progress = start(terminal, { isLive: false })
  for (let i = 0; i < 2000; i++) progress.handle(fact(`group ${i % 40}`, `fact ${i}`, 'x'))
  t.true(terminal.written.split('\n').length < 600)
})
