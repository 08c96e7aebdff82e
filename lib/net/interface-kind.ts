/** What an interface is, as far as its name tells. */
export type InterfaceKind =
  'ethernet-or-wifi' | 'vpn' | 'container' | 'virtual-machine' | 'bridge' | 'loopback' | 'other'

/**
 * Names that the systems and the common programs give to interfaces. Order matters: the first match wins. They are
 * conventions, so they only describe; which interface carries traffic is asked of the routing table.
 */
const KINDS: readonly (readonly [RegExp, InterfaceKind])[] = [
  [/^(lo\d*|Loopback.*)$/i, 'loopback'],
  [/^(docker|br-[0-9a-f]{12}|veth(?!ernet)|cni|flannel|cali|podman|lxc|lxd|nerdctl)/i, 'container'],
  [/^(virbr|vmnet|vboxnet|vEthernet|VirtualBox|VMware|bridge1\d\d|vnic|tap)/i, 'virtual-machine'],
  [
    /^(tun|utun|wg|tailscale|zt|ppp|ipsec|nordlynx|proton|mullvad|cscotun|gpd|warp|CloudflareWARP|wt\d)/i,
    'vpn',
  ],
  [/(vpn|wireguard|tailscale|zerotier)/i, 'vpn'],
  [/^(br\d|bond|bridge)/i, 'bridge'],
  [/^(eth|en|em|wl|wlan|ww|usb|Ethernet|Wi-?Fi|WLAN|Local Area|Mobile|rmnet|ib|end\d)/i, 'ethernet-or-wifi'],
]

/** What an interface is, by its name. */
export function interfaceKind(name: string): InterfaceKind {
  return KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? 'other'
}
