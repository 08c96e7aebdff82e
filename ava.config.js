// Tests run compiled (npm run build:test). AVA_FILES narrows the tiers; see scripts/test.mjs.
export default {
  files: ['build/test/**/*.test.js'],
  timeout: process.env.P2P_REACH_TEST_TIMEOUT ?? '120s',
  workerThreads: false,
}
