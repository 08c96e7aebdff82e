import test from 'ava'
import decodeQR from 'qr/decode.js'
import { renderQrCode } from '../../../cli/render/qr-code.ts'
import { Secret } from '../../../lib/base/secret.ts'
import { formatJoinString, parseJoinString } from '../../../lib/protocol/relay/join-string.ts'

/** The picture that a camera sees of a dark terminal: each half block is one module, drawn ones light. */
function photograph(rendered: string): {
  readonly width: number
  readonly height: number
  readonly data: Uint8Array
} {
  const scale = 4
  const rows = rendered
    .trimEnd()
    .split('\n')
    .flatMap((line) => {
      const cells = Array.from(line.padEnd(rendered.indexOf('\n')))
      return [
        cells.map((cell) => cell === '█' || cell === '▀'),
        cells.map((cell) => cell === '█' || cell === '▄'),
      ]
    })
  const height = rows.length * scale
  const width = (rows[0]?.length ?? 0) * scale
  const data = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isLight = rows[Math.floor(y / scale)]?.[Math.floor(x / scale)] === true
      data.fill(isLight ? 255 : 0, (y * width + x) * 4, (y * width + x) * 4 + 3)
      data[(y * width + x) * 4 + 3] = 255
    }
  }
  return { width, height, data }
}

test('a join string comes back from its QR code, and the capitals in it do no harm', (t) => {
  const joinString = formatJoinString({
    rootSha256: 'ab'.repeat(32),
    tokenId: '0123456789abcdef',
    secret: new Secret('5a'.repeat(16)),
    relays: [{ host: 'relay.example.org', port: 443 }],
  })
  const read = decodeQR(photograph(renderQrCode(joinString)))
  t.is(read, joinString.toUpperCase())
  const { tokenId, relays, secret } = parseJoinString(read)
  t.is(tokenId, '0123456789abcdef')
  t.deepEqual(relays, [{ host: 'relay.example.org', port: 443 }])
  t.is(secret.reveal(), '5a'.repeat(16))
})
