import test from 'ava'
import { CutLesson } from '../../../lib/ways/cut-lesson.ts'

test('two cuts after the same silence teach half of it; others teach nothing', (t) => {
  const lesson = new CutLesson()
  t.is(lesson.wasCut(10_100), undefined)
  t.is(lesson.wasCut(10_000), 5000)
  const other = new CutLesson()
  t.deepEqual(
    [30_000, 4000, 300, 100, 20_000].map((ms) => other.wasCut(ms)),
    Array(5).fill(undefined),
  )
})
