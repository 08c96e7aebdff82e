import type { LabNode } from '../../../cli/demo/lab/lab-node.ts'

/** As routers announce themselves (RFC 4861 §4.2), which the lab's bridged homes don't. */
export async function useLinkLocalGateway(host: LabNode, gateway: LabNode | undefined): Promise<void> {
  const shown = await gateway?.exec('ip', ['-6', '-brief', 'addr', 'show', 'dev', 'lan0', 'scope', 'link'])
  const linkLocal = /fe80:\S+(?=\/)/.exec(shown?.stdout ?? '')?.[0] ?? ''
  await host.namespace.ip([`route replace default via ${linkLocal} dev eth0`])
}
