import { serveTurns } from './scripts/turn-server.mjs'

// Ours: what the labs of all test files weigh at once. With more, two cores starve their processes: gateways answer too
// late, and that looks like loss. See test/netns/support/lab-turns.ts.
const LABS_AT_ONCE = 6

// Tests run compiled (npm run build:test).
export default {
  files: ['build/test/**/*.test.js'],
  timeout: process.env.P2P_REACH_TEST_TIMEOUT ?? '120s',
  workerThreads: false,
  environmentVariables: {
    P2P_REACH_NO_LAN: '1', // nothing that a test starts speaks on the LAN of this machine; labs set up environments of their own
    P2P_REACH_TEST_TURNS: String(await serveTurns(LABS_AT_ONCE)),
  },
}
