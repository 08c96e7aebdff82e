/** Written by hand: forms, options, then prose, then an example. Checked by transcripts in test/cli. */
export const USAGE = {
  main: `Usage: p2p-reach COMMAND [OPTIONS]

Makes any peer behind a NAT or firewall reachable.

Commands:
  diagnose      what this network does to peer-to-peer traffic, and what to change
  relay up      run a relay (STUN server for now) for others to be diagnosed with
  demo          a small internet on this computer: two peers behind two NATs, diagnosed live

Options:
  --help        help for a command:  p2p-reach diagnose --help
  --version     print the version

Start here:
  $ p2p-reach diagnose
`,
  diagnose: `Usage: p2p-reach diagnose [--json] [--deep] [--html FILE] [--relay URL]... [--stun HOST:PORT]...

Finds out what this network does to peer-to-peer traffic. Takes 1 to 5 seconds.

Options:
  --relay URL        ask this relay in every way: https://HOST[:PORT][#sha256=HEX], http://HOST[:PORT], HOST
  --stun HOST:PORT   ask this STUN server (port 3478 if left out); repeat for more
  --deep             also hairpinning and how long idle bindings live; takes up to 3 minutes
  --html FILE        write the report as a web page, too
  --json             print the report as one JSON value (docs/diagnose.md)
  --home DIR         folder for settings (default: the platform's)
  --config FILE      settings file (default: config.json in the home folder)

Without --relay and --stun, public STUN servers are asked (docs/diagnose.md lists them).
Every option but --json, --html and --config also has an environment variable: P2P_REACH_STUN, P2P_REACH_RELAY, …

Exit codes: 0 something was reached, 2 usage, 3 nothing was reached, 130 interrupted.

Example:
  $ p2p-reach diagnose --relay https://relay.example.org --html report.html
`,
  'relay-up': `Usage: p2p-reach relay up [--listen ADDR:PORT]... [--stun ADDR:PORT]... [--home DIR] [--admin ADDR:PORT]

Runs a relay until interrupted. For now it serves what diagnose needs: STUN over UDP and TCP (RFC 8489, RFC 5780),
HTTP, TLS and WebSocket, all TCP on one port.

Options:
  --listen ADDR:PORT       TCP (default 0.0.0.0:443 and [::]:443)
  --stun ADDR:PORT         UDP for STUN (default 0.0.0.0:3478 and [::]:3478); two addresses of one family let clients
                           measure their NAT in full; the next port is used as well
  --advertise OWN=PUBLIC   the public IP of an own IP, behind a 1:1 NAT
  --tls-cert FILE          certificate chain (PEM); default: a self-signed one, made once and kept in the home folder
  --tls-key FILE           its key (PEM)
  --no-tls                 no TLS on the TCP port
  --admin ADDR:PORT        /metrics and /healthz (default: off)
  --home DIR               folder for keys and settings (default: the platform's)
  --config FILE            settings file (default: config.json in the home folder)
  --json                   print events as JSON lines

Example, on a server with two addresses:
  $ p2p-reach relay up --stun 203.0.113.9:3478 --stun 203.0.113.10:3478
`,
  demo: `Usage: p2p-reach demo [--json] [--html DIR]

Builds a small internet on this computer (Linux network namespaces, no traffic leaves it): a relay and two peers behind
two different NATs. Diagnoses both, and says how they would connect. Where namespaces are not permitted, a relay and
one peer on the loopback address.

Options:
  --html DIR    write each report as a web page into this folder
  --json        print JSON lines
`,
} as const
