/**
 * Drops what has no place on the public internet: private sources, which a broken or bypassed NAT would let out
 * (BCP 38), and private destinations, which peers try when they are told each other's local addresses.
 */
export const INTERNET_RULES = `
table inet lab_internet {
  chain forward {
    type filter hook forward priority filter; policy accept;
    ip saddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16 } drop
    ip daddr { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.0.0/16 } drop
    ip6 saddr fc00::/7 drop
    ip6 daddr fc00::/7 drop
  }
}
`
