/**
 * A sans-IO state machine: inputs and the current time go in, effects come out. It knows no socket, timer or clock,
 * so the same machine runs on real sockets (`net/driver.ts`) and on a virtual internet (`test/sim`).
 *
 * Contract: after each `handle` or `handleTimeout`, drain `poll()` until it answers undefined, then arm one timer at
 * `deadlineMs`. Only the Driver does this, so nobody can forget.
 */
export interface Machine<Input, Effect> {
  /** Feeds one input. `nowMs` is monotonic and never goes back. */
  handle(input: Input, nowMs: number): void
  /** Tells the machine that `deadlineMs` may have passed; harmless when early. */
  handleTimeout(nowMs: number): void
  /** When handleTimeout is next due, in monotonic milliseconds; undefined while nothing is timed. */
  readonly deadlineMs: number | undefined
  /** Takes the next effect to carry out; undefined once drained. */
  poll(): Effect | undefined
}
