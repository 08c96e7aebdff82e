/** Written by hand: forms, options, then prose, then an example. Checked by transcripts in test/cli. */
export const USAGE = {
  main: `Usage: p2p-reach COMMAND [OPTIONS]

Makes any peer behind a NAT or firewall reachable.

Commands:
  diagnose      what this network does to peer-to-peer traffic, and what to change
  relay up      run a relay: a private network with its own certificates, and a STUN server to be diagnosed with
  relay status  the network of a relay, and who is in it
  relay ssh-key who may use the relay by plain SSH: add, list, revoke
  expose        let others of the network reach a port or socket of yours
  connect       reach what another member exposes: as a local port, a socket, or standard input and output
  ping          how far away a member is, and by which path
  peers         who can be reached now
  map           open a port of your router for a program here, and prove it from outside
  invite        let somebody join the network: prints one string
  join          join a network with that string
  identity      who you are: your key, your name, your certificate
  renew         renew your certificate now, or stay and keep it renewed
  revoke        shut somebody out of the network
  root          the roots of the network: show, rotate, drop
  demo          a small internet on this computer: two peers behind two NATs, diagnosed live

Options:
  --help        help for a command:  p2p-reach diagnose --help
  --version     print the version

Start here:
  $ p2p-reach diagnose
`,
  diagnose: `Usage: p2p-reach diagnose [--json] [--deep] [--html FILE] [--relay URL]... [--stun HOST:PORT]... [--peer NAME]

Finds out what this network does to peer-to-peer traffic. Takes 1 to 5 seconds.

Options:
  --relay URL        ask this relay in every way: https://HOST[:PORT][#sha256=HEX], http://HOST[:PORT], HOST;
                     or this SSH server: ssh://HOST[:PORT]
  --stun HOST:PORT   ask this STUN server (port 3478 if left out); repeat for more
  --deep             also hairpinning and how long idle bindings live; takes up to 3 minutes. With a home that has joined
                     a network: maps a port for some seconds, and has a relay try whether anything comes in
  --peer NAME        connect to this member of your network and look for a direct path: which way it is reached, or why it stays
                     relayed, what was tried, and what to change; up to 45 s
  --html FILE        write the report as a web page, too
  --json             print the report as one JSON value (docs/diagnose.md)
  --home DIR         folder for settings (default: the platform's)
  --config FILE      settings file (default: config.json in the home folder)

Without --relay and --stun, public STUN servers are asked (docs/diagnose.md lists them).
Every option but --json, --html, --peer and --config also has an environment variable: P2P_REACH_STUN, P2P_REACH_RELAY, …

Exit codes: 0 something was reached, 2 usage, 3 nothing was reached, 130 interrupted.

Example:
  $ p2p-reach diagnose --relay https://relay.example.org --html report.html
`,
  'relay-up': `Usage: p2p-reach relay up [--listen ADDR:PORT]... [--stun ADDR:PORT]... [--home DIR] [--admin ADDR:PORT]

Runs a relay until interrupted. On an empty home it makes a private network: a root, an issuing CA that can name only
this network's members, and the relay's own certificate. Members join with one string (p2p-reach invite). It also
serves what diagnose needs: STUN over UDP and TCP (RFC 8489, RFC 5780), HTTP, TLS and WebSocket, all TCP on one port.

Options:
  --listen ADDR:PORT       TCP (default 0.0.0.0:443 and [::]:443)
  --stun ADDR:PORT         UDP for STUN (default 0.0.0.0:3478 and [::]:3478); two addresses of one family let clients
                           measure their NAT in full; the next port is used as well
  --advertise OWN=PUBLIC   the public IP of an own IP, behind a 1:1 NAT
  --tls-cert FILE          certificate chain (PEM); default: a self-signed one, made once and kept in the home folder
  --tls-key FILE           its key (PEM)
  --no-tls                 no TLS on the TCP port
  --network NAME           a word for a network that is made, part of its domain (default: net)
  --name NAME              what the relay is called in its network (default: relay)
  --public HOST:PORT       where others reach the relay; repeat for more (default: its own addresses)
  --external-ca FILE       for a network that is made: the chain of a CA that issues, root last (PEM)
  --external-ca-key FILE   the key of its first certificate (PEM)
  --certificate-lifetime T how long members' certificates live (default: 24h)
  --renew-grace T          how long after its end a certificate can still be renewed (default: 14d)
  --no-network             no network: only what diagnose needs
  --drain T                when it ends, let paths between members go on for so long; meanwhile they move to another relay
                           (default: 5s where the network has another one, else 0s)
  --admin ADDR:PORT        /metrics and /healthz (default: off)
  --home DIR               folder for keys and settings (default: the platform's)
  --config FILE            settings file (default: config.json in the home folder)
  --json                   print events as JSON lines

Example, on a server with two addresses:
  $ p2p-reach relay up --stun 203.0.113.9:3478 --stun 203.0.113.10:3478
`,
  'relay-status': `Usage: p2p-reach relay status [--home DIR] [--json]

Prints the network whose relay uses this home, and its members. Administrators can run it anywhere.

Options:
  --home DIR    folder of the relay, or of an administrator (default: the platform's)
  --json        print one JSON value
`,
  'relay-ssh-key': `Usage: p2p-reach relay ssh-key add --name NAME [--allow NAME,...] [--only expose|reach] [FILE]
       p2p-reach relay ssh-key list
       p2p-reach relay ssh-key revoke NAME|FINGERPRINT

Lets the holders of SSH keys use the relay with plain OpenSSH, nothing installed: they expose services to each other, and
reach them. Whoever runs the relay can read what they forward. The relay's port is the one of  relay up;  docs/ssh.md.

Options:
  --name NAME            what the key is called in the network; no member may have that name
  --allow NAME,...       only these SSH clients may reach what it exposes (default: all). The same key again changes it
  --only expose|reach    it may do only that (default: both)
  --home DIR             folder of the relay, or of an administrator (default: the platform's)
  --json                 print one JSON value

FILE is a public key; without it, it is read from standard input.

Example:
  $ p2p-reach relay ssh-key add --name web1 < id_ed25519.pub
  $ ssh -N -R web:80:localhost:3000 -p 443 relay.example.org
  $ ssh -N -L 8080:web:80 -p 443 relay.example.org
`,
  identity: `Usage: p2p-reach identity [--qr] [--home DIR] [--json]

Prints who you are: your PeerId, and your name and certificate in the network that you have joined. Makes a key when
there is none. Sends nothing.

Options:
  --qr                   print the PeerId as a QR code, too
  --home DIR             folder for keys and settings (default: the platform's)
  --allow-open-key-file  use a key file that others can read
  --json                 print one JSON value
`,
  expose: `Usage: p2p-reach expose TARGET... [--udp] [--as SERVICE]... [--allow NAME,...] [--json]

Lets members of the network reach a program on this computer, wherever it stands, until interrupted. Everything is
encrypted from peer to peer. Prints what to type on the other side.

TARGET: PORT (on this computer), HOST:PORT, unix:PATH, udp:PORT, udp:HOST:PORT

Options:
  --udp                  the targets speak UDP: each sender on the other side gets a port of its own here
  --as SERVICE           what others call it (default: the port); with several targets, one for each, in their order
  --allow NAME,...       only these members, by name or PeerId (default: every member of the network)
  --idle T               a flow of UDP ends when it was silent for so long: 90s, 5m (default 2m; P2P_REACH_IDLE)
  --json                 events as JSON lines: ready, session, path, direct, path-lost, session-ended, error, closed
  --relay-only           look for no direct paths: peers then don't learn your addresses (P2P_REACH_RELAY_ONLY)
  --no-lan               don't announce this peer on the LAN, nor look for peers there (P2P_REACH_NO_LAN)
  --relay ssh://[USER@]HOST[:PORT][#SHA256:FINGERPRINT]
                         an SSH server where both sides meet when no relay of the network can be reached, as the same user;
                         nothing is installed there. Its host key has to be in known_hosts, or in the URL. Repeat for more.
                         HOST?public: at a port of it that anybody can dial (GatewayPorts clientspecified)
  --ssh-key FILE         a private key to log in with (default: the agent's, and those that ssh tries)
  --ssh-known-hosts FILE default: those of ssh
  --ssh-command 'ssh …'  have the system's ssh do it: certificates, hardware keys, ProxyJump
  --allow-open-key-file  use a key file that others can read
  --home DIR             the folder that  p2p-reach join  made (default: the platform's)
  --config FILE          settings file (default: config.json in the home folder)

Relays are also reached through the proxies that HTTPS_PROXY, ALL_PROXY (socks5://…) and NO_PROXY name.

Exit codes: 0 ended by Ctrl-C, 1 failed, 2 usage, 3 no relay and no SSH server can be reached, 4 not trusted.

Examples:
  $ p2p-reach expose 8080 --as web
  $ p2p-reach expose 22 5432 --as ssh --as db --allow alice,bob
  $ p2p-reach expose 27015 --udp --as game
  $ p2p-reach expose 53 udp:53 --as dns --as dns
  $ p2p-reach expose 8080 --as web --relay ssh://me@bastion.example.org
`,
  connect: `Usage: p2p-reach connect PEER/SERVICE [LISTEN] [--udp] [--json] [--quiet]

Reaches what another member exposes. Each connection to LISTEN is carried to the service, until interrupted. With --udp
datagrams are: whole or not at all, beside the connection where a direct path takes them, else the oldest dropped first.

PEER:    a name or PeerId of the network
LISTEN:  PORT (on this computer), HOST:PORT, unix:PATH, or - for standard input and output; a free port if left out;
         udp:PORT and udp:HOST:PORT as with --udp

Options:
  --udp                  the service was exposed with --udp: LISTEN is a port of UDP
  --idle T               a flow of UDP ends when it was silent for so long: 90s, 5m (default 2m; P2P_REACH_IDLE)
  --json                 events as JSON lines: ready, session, path, direct, path-lost, session-ended, error, closed
  --quiet                say only what fails
  --relay-only           look for no direct paths: peers then don't learn your addresses (P2P_REACH_RELAY_ONLY)
  --no-lan               don't look for the peer on the LAN (P2P_REACH_NO_LAN)
  --relay ssh://…, --ssh-key, --ssh-known-hosts, --ssh-command
                         an SSH server to meet at when no relay can be reached: see  p2p-reach expose --help
  --allow-open-key-file  use a key file that others can read
  --home DIR             the folder that  p2p-reach join  made (default: the platform's)
  --config FILE          settings file (default: config.json in the home folder)

Relays are also reached through the proxies that HTTPS_PROXY, ALL_PROXY (socks5://…) and NO_PROXY name.

Exit codes: 0 ended by Ctrl-C, or both directions ended; 1 failed, 2 usage, 3 the peer or all relays are out of reach,
4 not trusted.

Examples:
  $ p2p-reach connect alice/web 8080
  $ ssh -o ProxyCommand='p2p-reach connect alice/ssh -' alice
  $ p2p-reach connect alice/game 27015 --udp
`,
  ping: `Usage: p2p-reach ping PEER [--count N] [--interval SECONDS] [--json]

Measures the way to a member and back, inside the encrypted session, and says which path carried it. Begins over a relay,
and shows the change to a direct path as it happens; or says why there is none, and what to change.

Options:
  --count N              stop after N answers (default: until interrupted)
  --interval SECONDS     between two pings (default 1)
  --json                 events as JSON lines: path, direct, pong, error, closed
  --relay-only           look for no direct paths: peers then don't learn your addresses (P2P_REACH_RELAY_ONLY)
  --no-lan               don't look for the peer on the LAN (P2P_REACH_NO_LAN)
  --relay ssh://…, --ssh-key, --ssh-known-hosts, --ssh-command
                         an SSH server to meet at when no relay can be reached: see  p2p-reach expose --help
  --allow-open-key-file  use a key file that others can read
  --home DIR             the folder that  p2p-reach join  made (default: the platform's)
  --config FILE          settings file (default: config.json in the home folder)

Exit codes: 0 there was an answer, 1 failed, 2 usage, 3 the peer or all relays are out of reach, 4 not trusted.

Example:
  $ p2p-reach ping alice --count 3
`,
  map: `Usage: p2p-reach map PORT [--tcp|--udp] [--external PORT] [--json]

Asks the router for a port (PCP, NAT-PMP or UPnP), has a relay of your network try it from outside, keeps it renewed until
interrupted, and removes it then. What a crash leaves behind is removed by the next start. A home that has joined no network
gets the mapping, too, but nobody to prove it.

Options:
  --tcp                  for TCP (the default)
  --udp                  for UDP
  --external PORT        this port outside, and no other (default: the same number, or one that the router gives)
  --json                 events as JSON lines: ready, restoring, error, closed
  --allow-open-key-file  use a key file that others can read
  --home DIR             the folder that  p2p-reach join  made (default: the platform's)
  --config FILE          settings file (default: config.json in the home folder)

The line "ready" has external, externalPort, internal, transport, protocol, gateway, lifetimeS, and proof: "received" (a relay's
random bytes came in), "accepted" (your program took a relay's connection), "inferred" (a second mapping beside it works), or
"unproven" with why and hint. It comes again when the mapping was made anew.

Exit codes: 0 ended by Ctrl-C, 1 failed, 2 usage, 3 no gateway maps ports, it refused, or nothing comes in through the mapping;
4 not trusted.

Example:
  $ p2p-reach map 25565
`,
  peers: `Usage: p2p-reach peers [--json]

Lists the members that expose something now: name, PeerId, since when, and what to expect of their network and this one
over IPv4: "direct likely", "direct likely, after a search", or "relay", and why. A LAN or IPv6 may do better.

Options:
  --json                 one JSON value: { "peers": [{ "name", "peerId", "sinceMs", "nat", "prediction" }] };
                         prediction: { "result": direct | direct-birthday | relay, "why", "confidence" }, or null
  --allow-open-key-file  use a key file that others can read
  --home DIR             the folder that  p2p-reach join  made (default: the platform's)
  --config FILE          settings file (default: config.json in the home folder)

Exit codes: 0 asked, 2 usage, 3 no relay and no SSH server can be reached, 4 not trusted.

Example:
  $ p2p-reach peers
`,
  invite: `Usage: p2p-reach invite NAME [--role ROLE] [--uses N] [--expires TIME] [--ssh URL]... [--qr] [--home DIR] [--json]

Prints one string that lets somebody join the network as NAME. Works on the relay with its home, or anywhere as an
administrator. The string is a secret until it is used; the relay keeps only a hash of it.

Options:
  --role ROLE     peer, relay or admin (default: peer)
  --uses N        how many may join with it; they are called NAME-1, NAME-2, … (default: 1)
  --expires TIME  such as 30m, 1h, 7d (default: 1h)
  --ssh URL       an SSH server where NAME meets others when no relay can be reached, as if it were named by --relay each time:
                  ssh://USER@HOST[:PORT]#SHA256:FINGERPRINT; the fingerprint of its host key is a must
  --qr            print it as a QR code, too
  --home DIR      folder of the relay, or of an administrator (default: the platform's)
  --json          print one JSON value

Example:
  $ p2p-reach invite alice --expires 30m
`,
  join: `Usage: p2p-reach join STRING [--replace] [--home DIR] [--json]
       p2p-reach join -

Joins a network with the string that p2p-reach invite printed; with "-" it is read from standard input, where no list
of processes shows it. Makes a key when there is none; it never leaves this computer. The relay must prove that it
belongs to the root which the string names before it is shown the token.

Options:
  --replace              leave the network that this home belongs to
  --home DIR             folder for keys and settings (default: the platform's)
  --allow-open-key-file  use a key file that others can read
  --json                 print one JSON value

Example:
  $ p2p-reach join p2pr1ddkegs4uc57repj9am5c6szk8qkddgu1a7up…

Relays are also reached through the proxies that HTTPS_PROXY, ALL_PROXY (socks5://…) and NO_PROXY name.

Exit codes: 0 joined, 2 usage, 3 relay not reachable, 4 not trusted (wrong root, token used or expired), 1 other.
`,
  renew: `Usage: p2p-reach renew [--stay] [--home DIR] [--json]

Renews your certificate now: the same key, a new certificate. With --stay it stays connected to a relay until
interrupted, renews when two thirds of the certificate's life are over, and takes over at once whom the network shuts
out and which roots it trusts.

Options:
  --stay                 keep the membership until interrupted
  --home DIR             folder for keys and settings (default: the platform's)
  --allow-open-key-file  use a key file that others can read
  --json                 print one JSON value, or with --stay JSON lines
`,
  revoke: `Usage: p2p-reach revoke NAME|PEERID [--reason TEXT] [--home DIR] [--json]

Shuts a member out for ever: its key goes onto the network's deny list, which is signed, numbered, and pushed to every
connected member and relay; live connections of that key end. The name is free again. Works on the relay with its home,
or anywhere as an administrator.

Options:
  --reason TEXT   kept in the deny list, which all members can read; at most 64 letters
  --home DIR      folder of the relay, or of an administrator (default: the platform's)
  --json          print one JSON value

Example:
  $ p2p-reach revoke alice --reason 'lost notebook'
`,
  root: `Usage: p2p-reach root [status]
       p2p-reach root rotate --root-key FILE --out NEWFILE
       p2p-reach root drop --root-key FILE
       p2p-reach root reissue --root-key FILE

The roots of a network. Keys of roots are used on this computer only; the relay never sees them.

  status    the roots, and how many members trust each
  rotate    put a new root beside the old one; its key goes into NEWFILE. Members follow as they connect
  drop      keep the root of this key alone; refused while a member does not trust it yet
  reissue   a new key and certificate for the issuing CA; what the old one signed is refused from now on

Options:
  --root-key FILE   private key of a root (the first one: authority/root.key in the relay's home)
  --out NEWFILE     where the new root's private key goes; must not exist
  --home DIR        folder of the relay, or of an administrator (default: the platform's)
  --json            print one JSON value
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
