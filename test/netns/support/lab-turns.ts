import { once } from 'node:events'
import { connect } from 'node:net'

/** Of a lab whose processes mostly wait: gateways, and programs that ask them something. */
export const LIGHT = 1
/** Of one in which the product moves bytes, or looks for paths. */
export const BUSY = 2
/** Of one that keeps two cores busy. */
export const HEAVY = 4

/** Waits until a lab of this weight may be open beside those of all other test files, and does it. */
export async function inTurn(weight: number, body: () => Promise<void>): Promise<void> {
  // scripts/turn-server.mjs, which ava.config.js starts.
  const socket = connect(Number(process.env['P2P_REACH_TEST_TURNS']), '127.0.0.1')
  try {
    socket.write(Uint8Array.of(weight))
    await once(socket, 'data')
    await body()
  } finally {
    socket.destroy()
  }
}
