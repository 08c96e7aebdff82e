/**
 * Reads what AVA's default reporter prints, line by line, and counts. (Its TAP reporter can't be used: in 7.0.0 it
 * dies itself when a test hangs or a test file calls process.exit, and the culprit is never named.)
 *
 * A test that can't run on this machine logs `skipped: REASON` and passes; here it counts as skipped.
 */
export class AvaReport {
  passed = 0
  failed = 0
  skipped = 0
  /** Why something was skipped → how often that was said. */
  reasons = new Map()
  /** What AVA says in full of the tests that failed. */
  details = []
  /** @type {'none' | 'passed' | 'other'} */
  #lastTest = 'none'
  #isOver = false

  /** Takes one line of AVA's standard output. Answers whether it is worth showing when all goes well. */
  line(line) {
    if (this.#isOver) return this.#afterTheTests(line)
    if (/^ {2}─+$/.test(line)) {
      this.#isOver = true // what follows repeats the failures in full, and the sums
      return false
    }
    const log = /^ {4}ℹ (.*)$/.exec(line)
    if (log !== null) return this.#log(log[1] ?? '')
    if (/^ {2}(✔|✘|◌|- \[)/u.test(line)) return this.#test(line)
    if (/^ {2}(Uncaught exception|Unhandled rejection) in /.test(line)) this.failed++
    return true
  }

  /** Takes one line that the tests wrote themselves, to standard output or standard error. */
  console(line) {
    const reason = skipReason(line)
    if (reason === undefined) return true
    this.#because(reason) // which test it was can't be told, so no count moves
    return false
  }

  #afterTheTests(line) {
    if (/^ {2}\d+ tests? (passed|skipped)$/.test(line)) return false
    this.details.push(line)
    return true
  }

  #test(line) {
    this.#lastTest = 'other'
    if (line.startsWith('  ✔')) {
      this.passed++
      this.#lastTest = 'passed'
      return false
    }
    if (line.startsWith('  - [skip]')) {
      this.skipped++
      this.#because(`disabled in its file: ${line.slice('  - [skip] '.length)}`)
      return false
    }
    if (line.startsWith('  - [todo]')) return true
    // Each pending test gets its own ◌ line below this one.
    if (!line.startsWith('  ✘ Timed out')) this.failed++
    return true
  }

  #log(text) {
    const reason = skipReason(text)
    if (reason === undefined || this.#lastTest !== 'passed') return this.#lastTest !== 'passed'
    this.passed--
    this.skipped++
    this.#lastTest = 'other'
    this.#because(reason)
    return false
  }

  #because(reason) {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1)
  }
}

function skipReason(text) {
  return /^\s*skipped: (.+)$/.exec(text)?.[1]?.trim()
}
