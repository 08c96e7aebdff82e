import test from 'ava'
import fc from 'fast-check'
import { HeldBytes } from '../../../relay-server/ssh/held-bytes.ts'

/** What of a channel is looked at. */
class Held {
  readonly heldBytes: number
  isCut = false
  #onClose: () => void = () => undefined

  constructor(heldBytes: number) {
    this.heldBytes = heldBytes
  }

  once(_event: 'close', onClose: () => void): void {
    this.#onClose = onClose
  }

  destroy(): void {
    this.isCut = true
    this.#onClose()
  }
}

test('of channels whose readers have stopped, those that hold most are cut, until the rest may stay', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(100), { maxLength: 40 }), fc.nat(2000), (sizes, max) => {
      const held = new HeldBytes(max)
      const channels = sizes.map((size) => new Held(size))
      held.add(channels)
      held.bound()
      const kept = channels.filter(({ isCut }) => !isCut)
      const cut = channels.filter(({ isCut }) => isCut)
      const sum = kept.reduce((all, { heldBytes }) => all + heldBytes, 0)
      const [least = Infinity] = cut.map(({ heldBytes }) => heldBytes).sort((a, b) => a - b)
      // Nobody is cut in vain: with the least of them it would have been too much.
      return (
        sum <= max &&
        (cut.length === 0 || sum + least > max) &&
        kept.every(({ heldBytes }) => heldBytes <= least) &&
        held.size === kept.length
      )
    }),
  )
  t.pass()
})
