#!/bin/sh
# A NAT router of the demo: every flow leaves from a port of its own, drawn at random, and only answers come in; the
# hardest kind there is (APDM/APDF random). $LAN is the network behind it. Needs CAP_NET_ADMIN.
set -eu
nft -f - <<END
table ip nat-router {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr $LAN ip daddr != $LAN masquerade fully-random
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state established,related accept
    ip saddr $LAN accept
  }
}
END
echo "router: $LAN is behind a NAT"
trap 'exit 0' TERM INT
sleep infinity &
wait
