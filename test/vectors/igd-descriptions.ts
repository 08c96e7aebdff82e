/*
 * Device descriptions of our own writing, each shaped as one router's: names and values are invented, the structure and
 * the oddities are those that users of other tools met. Ports and addresses come from the caller.
 */

const DEVICE = 'urn:schemas-upnp-org:device'
const SERVICE = 'urn:schemas-upnp-org:service'

/** A service element, in UPnP Device Architecture's order. */
function service(type: string, controlUrl: string): string {
  return `<service><serviceType>${SERVICE}:${type}</serviceType><serviceId>urn:upnp-org:serviceId:1</serviceId>
    <SCPDURL>/scpd.xml</SCPDURL><controlURL>${controlUrl}</controlURL><eventSubURL>/evt</eventSubURL></service>`
}

function nested(version: number, friendlyName: string, wanDevices: readonly string[]): string {
  return `<device><deviceType>${DEVICE}:InternetGatewayDevice:${version}</deviceType>
  <friendlyName>${friendlyName}</friendlyName><modelName>${friendlyName}</modelName>
  <UDN>uuid:5ca1ab1e-0000-4000-8000-00000000000A</UDN>
  <serviceList>${service('Layer3Forwarding:1', '/ctl/L3F')}</serviceList>
  <deviceList><device><deviceType>${DEVICE}:WANDevice:${version}</deviceType>
    <serviceList>${service('WANCommonInterfaceConfig:1', '/ctl/CmnIfCfg')}</serviceList>
    <deviceList>${wanDevices
      .map(
        (services) =>
          `<device><deviceType>${DEVICE}:WANConnectionDevice:${version}</deviceType><serviceList>${services}</serviceList></device>`,
      )
      .join('\n')}</deviceList>
  </device></deviceList></device>`
}

function document(content: string): string {
  return `<?xml version="1.0"?>\r\n<root xmlns="urn:schemas-upnp-org:device-1-0">
<specVersion><major>1</major><minor>1</minor></specVersion>\n${content}\n</root>\r\n`
}

/** miniupnpd as Debian builds it: version 2, and the firewall of IPv6. */
export const MINIUPNPD = document(
  nested(2, 'Linux router', [
    service('WANIPConnection:2', '/ctl/IPConn') + service('WANIPv6FirewallControl:1', '/ctl/IP6FCtl'),
  ]),
)

/** Google Wifi: version 2 outside, version 1 of the connection inside. */
export const GOOGLE_WIFI = document(nested(2, 'OnHub', [service('WANIPConnection:1', '/ctl/IPConn')]))

/** pfSense: an ampersand in the name that nobody escaped, and an absolute base. */
export const PFSENSE = (base: string): string =>
  document(
    `<URLBase>${base}/</URLBase>${nested(1, 'R&D firewall', [service('WANIPConnection:1', 'ctl/IPConn')])}`,
  )

/** MikroTik: one connection for each uplink, and one for the bridge that has none. */
export const MIKROTIK = document(
  nested(1, 'MikroTik Router', [
    service('WANIPConnection:1', '/upnp/control/bridge1/wanipconn-1'),
    service('WANPPPConnection:1', '/upnp/control/pppoe1/wanpppconn-2'),
    service('WANIPConnection:1', '/upnp/control/ether1/wanipconn-3'),
  ]),
)

/** Huawei HG531: PPP alone, no XML declaration, elements and types in odd case, tabs everywhere. */
export const HUAWEI_HG531 = `<root>\t<Device>\t<deviceType>${DEVICE}:internetgatewaydevice:1</deviceType>
\t<FriendlyName>HG531</FriendlyName><UDN>uuid:00e0fc37-2525-2828-2500-0123456789AB</UDN><serviceList>
\t<Service><ServiceType>\t${SERVICE}:WANPPPConnection:1 </ServiceType><ControlURL>/ctrlt/WANPPPConnection_1</ControlURL></Service>
\t</serviceList></Device></root>`

/** A Fritz!Box: prefixes, both versions of the device in one document, IPv6 beside IPv4. */
export const FRITZ_BOX = document(
  nested(2, 'FRITZ!Box', [
    service('WANDSLLinkConfig:1', '/igd2upnp/control/WANDSLLinkC1') +
      service('WANIPConnection:2', '/igd2upnp/control/WANIPConn1') +
      service('WANIPv6FirewallControl:1', '/igd2upnp/control/WANIPv6Firewall1'),
  ]),
)
  .replaceAll(/<(\/?)(root|device|service)>/g, '<$1d:$2>')
  .replace('<root xmlns=', '<d:root xmlns:d=')

/** The billion laughs (CVE-2003-1564): a few hundred bytes that become gigabytes where entities are expanded. */
export const BILLION_LAUGHS = `<?xml version="1.0"?><!DOCTYPE root [<!ENTITY a0 "ha">${Array.from(
  { length: 9 },
  (_, i) => `<!ENTITY a${i + 1} "${`&a${i};`.repeat(10)}">`,
).join('')}]><root><device><friendlyName>&a9;</friendlyName></device></root>`
