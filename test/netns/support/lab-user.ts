import { fileURLToPath } from 'node:url'
import { labAvailability } from '../../../cli/demo/lab/availability.ts'
import { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'
import { openSite } from '../../../cli/demo/lab/site.ts'
import { reexecInUserNamespace } from '../../../cli/demo/lab/user-namespace.ts'

/**
 * Prints, as JSON, whether labs are available to whoever runs this; where they are after entering a user namespace,
 * does so, opens a lab with a NAT there, and prints what a ping through it gave.
 */
if (process.argv[2] === 'inside') {
  const lab = await NetnsLab.open()
  const internet = await lab.internet()
  await lab.host('server', { at: internet, ips: ['203.0.113.2'] })
  const { host } = await openSite(lab, internet, 'port-preserving', { number: 1, udpLifetimeS: 5 })
  const { stdout } = await host.exec('ping', ['-c', '1', '203.0.113.2'])
  console.log(stdout)
  await lab.close()
  process.exitCode = 7 // to be seen to arrive outside
} else {
  const availability = await labAvailability()
  console.log(JSON.stringify(availability))
  if (availability.kind === 'user-namespace') {
    const script = fileURLToPath(import.meta.url)
    process.exitCode = await reexecInUserNamespace([process.execPath, script, 'inside'])
  }
}
