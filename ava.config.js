// Tests run compiled (npm run build:test). AVA_FILES narrows the tiers; see scripts/test.mjs.
export default {
  files: ['build/test/**/*.test.js'],
  timeout: '120s',
  workerThreads: false,
}
