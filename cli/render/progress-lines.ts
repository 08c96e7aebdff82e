import { textWidth } from './text-width.ts'

/** What a diagnosis tells while it runs. */
export type ProgressEvent =
  /** Something is known: `NAT`, `mapping`, `endpoint-independent`. The same label again replaces the old text. */
  | { readonly kind: 'fact'; readonly group: string; readonly label: string; readonly text: string }
  | { readonly kind: 'done' }

/** The groups of the report, in its order; others come after them as they appear. */
const KNOWN_GROUPS = ['Addresses', 'NAT', 'Ways out', 'Relays', 'Local network']
/** Ours: no diagnosis has more; what comes beyond is not shown. */
const MAX_GROUPS = 16
const MAX_FACTS_PER_GROUP = 64

/** What is known so far, by group. */
export class ProgressFacts {
  readonly #groups = new Map<string, Map<string, string>>()

  /** False when nothing changed. */
  add(group: string, label: string, text: string): boolean {
    const facts = this.#groups.get(group) ?? new Map<string, string>()
    const isFull = this.#groups.size >= MAX_GROUPS && !this.#groups.has(group)
    if (isFull || facts.get(label) === text) return false
    if (facts.size >= MAX_FACTS_PER_GROUP && !facts.has(label)) return false
    facts.set(label, text)
    this.#groups.set(group, facts)
    return true
  }

  /** One entry a group, wrapped to `width` columns: `NAT   mapping endpoint-independent · filtering …`. */
  lines(width: number, separator: string): readonly string[] {
    const names = [...KNOWN_GROUPS.filter((name) => this.#groups.has(name)), ...this.#otherGroups()]
    const nameWidth = Math.max(0, ...names.map(textWidth))
    return names.flatMap((name) => {
      const facts = [...(this.#groups.get(name) ?? [])].map(([label, text]) => `${label} ${text}`)
      return groupLines(name + ' '.repeat(nameWidth - textWidth(name)), facts, width, separator)
    })
  }

  #otherGroups(): readonly string[] {
    return [...this.#groups.keys()].filter((name) => !KNOWN_GROUPS.includes(name))
  }
}

/** Facts in a row behind the group's name; a new line where the next one does not fit. */
function groupLines(
  name: string,
  facts: readonly string[],
  width: number,
  separator: string,
): readonly string[] {
  const indent = ' '.repeat(textWidth(name) + 4)
  const lines: string[] = []
  let line = `  ${name}  `
  let isEmpty = true
  for (const fact of facts) {
    const next = isEmpty ? line + fact : line + separator + fact
    if (isEmpty || textWidth(next) <= width) {
      line = next
    } else {
      lines.push(line)
      line = indent + fact
    }
    isEmpty = false
  }
  return [...lines, line]
}
