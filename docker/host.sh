#!/bin/sh
# A host of the demo: its way out is the router $ROUTER, not the engine. It holds the network namespace that the peer's
# containers share. Needs CAP_NET_ADMIN, which they therefore don't.
set -eu
ip route replace default via "$ROUTER"
echo "host: all goes through $ROUTER"
trap 'exit 0' TERM INT
sleep infinity &
wait
