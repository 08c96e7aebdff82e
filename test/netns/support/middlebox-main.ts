import { interceptor, interceptorCertificate, onlyTlsBox } from '../../support/middleboxes.ts'

/*
 * A middlebox in a process of its own: `middlebox-main.js KIND PORT UPSTREAM-IP` with the kinds `only-tls` and
 * `interceptor`. What comes to the port leads to port 443 of the upstream. Prints `ready`.
 */

const [kind = '', port = '', host = ''] = process.argv.slice(2)
const listen = { host: '0.0.0.0', port: Number(port) }
const upstream = { host, port: 443 }

switch (kind) {
  case 'only-tls':
    await onlyTlsBox(listen, upstream)
    break
  case 'interceptor':
    await interceptor(listen, upstream, interceptorCertificate())
    break
  default:
    throw new Error(`no middlebox ${kind}`)
}
console.log('ready')
