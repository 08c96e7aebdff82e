import type { PathStepKind } from '../render/path-picture.ts'
import type { Tone } from '../render/fact-line.ts'
import type { Html } from './html.ts'
import { html, raw } from './html.ts'

/** Drawn for this page, on a grid of 24 by 24, in strokes of the text's colour. */
const STEP_PATHS: Readonly<Record<PathStepKind, string>> = {
  host: '<rect x="4" y="4.5" width="16" height="11" rx="1.5"/><path d="M2.5 19.5h19"/>',
  router:
    '<rect x="3" y="12.5" width="18" height="7" rx="1.5"/><path d="M7 16h.01M11 16h6M8 12.5V7M16 12.5V7"/>',
  nat: '<rect x="3" y="12.5" width="18" height="7" rx="1.5"/><path d="M7 16h.01M11 16h6M5 5h10l-2.5-2.5M19 8.5H9l2.5 2.5"/>',
  'carrier-nat': '<path d="M5 20.5V8l7-4 7 4v12.5M3 20.5h18M9.5 20.5v-4h5v4M9 11h.01M15 11h.01M12 11h.01"/>',
  firewall:
    '<rect x="3.5" y="5" width="17" height="14" rx="1"/><path d="M3.5 9.7h17M3.5 14.3h17M9 5v4.7M15 9.7v4.6M9 14.3V19"/>',
  internet:
    '<circle cx="12" cy="12" r="8.5"/><path d="M3.5 12h17M12 3.5c5 5 5 12 0 17M12 3.5c-5 5-5 12 0 17"/>',
  portal: '<rect x="6" y="3" width="12" height="18" rx="1.5"/><path d="M14.5 12h.01"/>',
  'dead-end': '<circle cx="12" cy="12" r="8.5"/><path d="M6 6l12 12"/>',
}

const TONE_PATHS: Readonly<Record<Tone, string>> = {
  good: '<circle cx="12" cy="12" r="9"/><path d="M8 12.5l2.7 2.7L16 9.5"/>',
  fair: '<path d="M12 3.5l9 16H3zM12 10v4M12 16.8h.01"/>',
  bad: '<path d="M8.3 3h7.4L21 8.3v7.4L15.7 21H8.3L3 15.7V8.3zM9 9l6 6M15 9l-6 6"/>',
  plain: '<circle cx="12" cy="12" r="9"/><path d="M12 11v5M12 8h.01"/>',
  unknown:
    '<circle cx="12" cy="12" r="9"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.5h.01"/>',
}

/** The picture of a station on the path; says nothing that the words beside it don't. */
export function stepIcon(kind: PathStepKind): Html {
  return icon(STEP_PATHS[kind])
}

/** A shape of its own for each tone, so that colour is never needed. */
export function toneIcon(tone: Tone): Html {
  return icon(TONE_PATHS[tone])
}

function icon(paths: string): Html {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">${raw(paths)}</svg>`
}
