/** The middle one; of an even number the upper of the two. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN
}

/** A line of a table: the label, and cells that stand under each other. */
export function row(label: string, cells: readonly (number | string)[], width = 11): string {
  return label.padEnd(18) + cells.map((cell) => String(cell).padStart(width)).join('')
}
