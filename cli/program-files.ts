import { fileURLToPath } from 'node:url'

/*
 * Programs of the package that it starts as processes. The built `main.js` holds the modules of all folders (see
 * scripts/bundle.mjs), so a path is right there only when it starts in this folder, which is that of `main.js`.
 */

/** The command line itself. */
export const CLI = fileURLToPath(new URL('./main.js', import.meta.url))

/** See `demo/name-server.ts`. */
export const NAME_SERVER = fileURLToPath(new URL('./demo/name-server.js', import.meta.url))
