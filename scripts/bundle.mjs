/**
 * Joins a compiled program and all of ours that it imports into one file, in its own place: Node takes half a second to
 * find, read and link six hundred small ones, at each start. Packages stay outside, and are loaded as before.
 *
 *   node scripts/bundle.mjs FILE...
 */
import { build } from 'esbuild'

for (const file of process.argv.slice(2)) {
  await build({
    entryPoints: [file],
    outfile: file,
    allowOverwrite: true,
    bundle: true,
    packages: 'external',
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    logLevel: 'warning',
  })
}
