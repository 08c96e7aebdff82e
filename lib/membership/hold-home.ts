import { ReachError } from '../base/errors.ts'
import { membershipPaths } from '../identity/membership-file.ts'
import type { LocalServer } from '../net/local-socket.ts'
import { listenLocal } from '../net/local-socket.ts'

/**
 * Makes this process the only one that changes the membership in a home folder. Reading needs no lock: files change as
 * a whole.
 * @throws {ReachError} ERR_REACH_HOME_IN_USE, ERR_REACH_FILE
 */
export async function holdMemberHome(home: string): Promise<LocalServer> {
  try {
    return await listenLocal(membershipPaths(home).lock, (socket) => socket.end())
  } catch (error) {
    if (!ReachError.is(error, 'ERR_REACH_ADDRESS_IN_USE')) throw error
    throw new ReachError('ERR_REACH_HOME_IN_USE', `another process keeps the membership in ${home}`, {
      cause: error,
      hint: 'it renews the certificate by itself; end it first, or name another folder with  --home DIR',
      details: { home },
    })
  }
}
