import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import type { LabNode } from '../../cli/demo/lab/lab-node.ts'
import { openSite } from '../../cli/demo/lab/site.ts'
import { LABEL_IP, Miniupnpd, missingMappingTools } from '../netns/support/miniupnpd.ts'
import { canRunLabs, netnsTest } from '../netns/support/netns-test.ts'
import { UpnpAgent } from '../netns/support/upnp-agents.ts'
import { folderOf } from '../netns/support/test-folder.ts'

/*
 * The npm package nat-upnp, on a gateway of version 1, which is all that it knows. It drags in packages with known holes
 * (request, form-data, ip, …), so it is no dependency of ours: it is fetched here, and runs in a lab without a way out.
 */

const PACKAGE = 'nat-upnp@1.1.1'

/** Its folder; undefined when the registry can't be reached. */
async function fetchNatUpnp(t: ExecutionContext): Promise<string | undefined> {
  const folder = await folderOf(t)
  const options = ['--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']
  try {
    await promisify(execFile)('npm', ['install', ...options, PACKAGE], { cwd: folder, timeout: 120_000 })
    return folder
  } catch (error) {
    t.log(`skipped: npm can't fetch ${PACKAGE}: ${String(error).split('\n')[0] ?? ''}`)
    return undefined
  }
}

/** Calls one of its functions on a host, and prints what that calls back with. */
const SCRIPT = `
const [name, ...args] = process.argv.slice(1)
const client = require('nat-upnp').createClient()
client[name](...args.map((text) => JSON.parse(text)), (error, value) => {
  console.log(JSON.stringify({ error: error ? String(error) : null, value: value === undefined ? null : value }))
  process.exit()
})
`

async function natUpnp(
  host: LabNode,
  folder: string,
  name: string,
  ...args: readonly object[]
): Promise<unknown> {
  const texts = args.map((arg) => JSON.stringify(arg))
  const { stdout, stderr } = await host.exec(
    process.execPath,
    ['--no-deprecation', '-e', SCRIPT, '--', name, ...texts],
    {
      cwd: folder,
    },
  )
  const line = stdout.trim().split('\n').at(-1) ?? ''
  if (!line.startsWith('{')) throw new Error(`nat-upnp printed: ${stdout}${stderr}`)
  return JSON.parse(line)
}

const whyNot = missingMappingTools()
if (canRunLabs && whyNot !== undefined) console.warn(`skipped: ${whyNot}`)

netnsTest(
  'nat-upnp lists a mapping of ours and removes it; we see what it made, and keep off it',
  async (t, lab) => {
    const folder = whyNot === undefined ? await fetchNatUpnp(t) : undefined
    if (folder === undefined) {
      if (whyNot !== undefined) t.log(`skipped: ${whyNot}`)
      t.pass()
      return
    }
    const internet = await lab.internet()
    const { host, gateways } = await openSite(lab, internet, 'port-preserving', { number: 1 })
    const [gateway] = gateways
    if (gateway === undefined) throw new Error('no gateway')
    const daemon = await Miniupnpd.start(gateway, await folderOf(t), { igdV1: true, natPmp: false })
    const agent = await UpnpAgent.open(host)

    t.deepEqual(await natUpnp(host, folder, 'externalIp'), { error: null, value: LABEL_IP })
    const grant = await agent.ask('map udp 4000 8000! 600')
    t.like(grant, { externalPort: 8000 })
    const listed = await natUpnp(host, folder, 'getMappings')
    t.like(listed, {
      error: null,
      value: [
        {
          public: { port: 8000 },
          private: { host: '192.168.1.10', port: 4000 },
          protocol: 'udp',
          enabled: true,
          description: 'p2p-reach',
        },
      ],
    })

    const removed = await natUpnp(host, folder, 'portUnmapping', { public: 8000, protocol: 'udp' })
    t.like(removed, { error: null })
    t.notRegex(await daemon.rules(), /8000/)
    t.deepEqual(await agent.ask(`unmap ${JSON.stringify(grant)}`), {}, 'gone already counts as removed')

    const made = await natUpnp(host, folder, 'portMapping', {
      public: 9000,
      private: 9001,
      ttl: 600,
      protocol: 'tcp',
    })
    t.like(made, { error: null })
    t.deepEqual(
      await agent.ask(`unmap ${JSON.stringify({ ...grant, externalPort: 9000, internal: tcp(4000) })}`),
      {},
    )
    t.regex(await daemon.rules(), /9000/, 'it leads to another port, so it is not ours to remove')
  },
)

function tcp(port: number) {
  return { family: 'ipv4', ip: '192.168.1.10', port, transport: 'tcp' }
}
