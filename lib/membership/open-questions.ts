import type { ControlReply } from '../protocol/relay/control-reply.ts'
import { refusalError } from '../protocol/relay/control-reply.ts'

interface Question {
  /** The answer has the same. Undefined for requests without one: their answers come in the order of the requests. */
  readonly id: unknown
  readonly types: readonly ControlReply['type'][]
  readonly resolve: (reply: ControlReply) => void
  readonly reject: (error: unknown) => void
}

/** Requests on a control connection that have not been answered yet. */
export class OpenQuestions {
  readonly #open: Question[] = []

  /**
   * A request that is sent now. @param types what its answer may be
   * @returns the answer; rejects with a refusal, with the signal's reason, or as `fail` says
   */
  add(id: unknown, types: readonly ControlReply['type'][], signal: AbortSignal): Promise<ControlReply> {
    return new Promise((resolve, reject) => {
      const question = { id, types, resolve, reject }
      this.#open.push(question)
      const onAbort = () => {
        // Answers without a number are told by their order: the late one must still find its place.
        if (id !== undefined) this.#remove(question)
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** @returns false when the reply answers none of them */
  answer(reply: ControlReply): boolean {
    const id = 'id' in reply ? reply.id : undefined
    const isRefusal = reply.type === 'refused'
    const question = this.#open.find((one) => one.id === id && (isRefusal || one.types.includes(reply.type)))
    if (question === undefined) return false
    this.#remove(question)
    if (isRefusal) question.reject(refusalError(reply))
    else question.resolve(reply)
    return true
  }

  /** No answer will come any more. */
  fail(error: Error): void {
    for (const { reject } of this.#open.splice(0)) reject(error)
  }

  #remove(question: Question): void {
    const at = this.#open.indexOf(question)
    if (at >= 0) this.#open.splice(at, 1)
  }
}
