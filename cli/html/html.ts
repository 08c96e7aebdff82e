import { printable } from '../render/printable.ts'

/** Markup that is safe to put into a page; only {@link html} and {@link raw} make it. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

/** What a template takes: texts are escaped, markup is not, undefined is nothing. */
export type HtmlValue = string | number | undefined | Html | readonly Html[]

/**
 * Template tag: everything that is interpolated is escaped unless it came out of {@link html} itself. So no value of a
 * report can become markup, and nobody has to remember it. Attributes must be written in double quotes.
 */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  const parts = strings.map((literal, index) => literal + render(values[index]))
  return new Html(parts.join(''))
}

/** Our own constant markup, such as the style sheet; never with a value of a report in it. */
export function raw(markup: string): Html {
  return new Html(markup)
}

function render(value: HtmlValue): string {
  if (value === undefined) return ''
  if (value instanceof Html) return value.markup
  if (typeof value === 'string') return escapeHtml(printable(value))
  if (typeof value === 'number') return String(value)
  return value.map((part) => part.markup).join('')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
}
