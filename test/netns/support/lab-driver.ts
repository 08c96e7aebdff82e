import { NetnsLab } from '../../../cli/demo/lab/netns-lab.ts'
import { openSite } from '../../../cli/demo/lab/site.ts'

/**
 * A process with a lab in it, to be killed by a test: two NATs, and on each host a program with a child that left its
 * session. Prints `opening`, then `ready`, and waits for ever; given `exit`, exits instead, without closing the lab.
 */
console.log('opening')
const lab = await NetnsLab.open()
const internet = await lab.internet()
const sites = await Promise.all([
  openSite(lab, internet, 'port-preserving', { number: 1 }),
  openSite(lab, internet, 'cgn-fully-random', { number: 2 }),
])
for (const { host } of sites) {
  const program = host.spawn('sh', ['-c', 'setsid sleep 600 & echo started; exec sleep 600'])
  await new Promise((resolve) => program.stdout.once('data', resolve))
}
console.log('ready')
if (process.argv[2] === 'exit') process.exit(0)
