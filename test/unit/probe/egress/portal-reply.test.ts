import test from 'ava'
import type { HttpResponse } from '../../../../lib/probe/egress/http.ts'
import { agreeOnPortal, readPortalReply } from '../../../../lib/probe/egress/portal-reply.ts'
import type { PortalCheck, PortalReading } from '../../../../lib/probe/egress/portal-reply.ts'

const PAGE: PortalCheck = { url: new URL('http://check.example/generate_204'), isPortAssumed: false }
const RELAY: PortalCheck = { ...PAGE, url: new URL('http://relay.example/generate_204'), challenge: 'c0ffee' }
const RELAY_PORT_80: PortalCheck = { ...RELAY, isPortAssumed: true }

function reply(status: number, headers: HttpResponse['headers'] = {}, body = ''): HttpResponse {
  const bytes = new TextEncoder().encode(body)
  return { status, headers, body: bytes, isComplete: true, headMs: 1, headAtWallMs: 0 }
}

function kind(check: PortalCheck, response: HttpResponse): string {
  return readPortalReply(check, response).kind
}

test('204 is genuine; from a relay of ours only with the challenge', (t) => {
  t.is(kind(PAGE, reply(204)), 'genuine')
  t.is(kind(RELAY, reply(204, { 'x-p2p-reach-response': 'c0ffee' })), 'genuine')
  t.is(kind(RELAY, reply(204)), 'unclear')
  t.is(kind(RELAY, reply(204, { 'x-p2p-reach-response': 'other' })), 'unclear')
})

test('redirects elsewhere, pages, and 511 are a portal’s', (t) => {
  const rows: readonly (readonly [HttpResponse, string | undefined])[] = [
    [reply(302, { location: 'http://portal.example/login' }), 'http://portal.example/login'],
    [reply(307, { location: 'https://portal.example/' }), 'https://portal.example/'],
    [reply(303, { location: '/login' }), 'http://relay.example/login'],
    [reply(302, { location: '//portal.example' }), 'http://portal.example/'],
    [reply(200, {}, '<html>'), undefined],
    [reply(511, {}, '<html>'), undefined],
  ]
  for (const [response, location] of rows) {
    const reading = readPortalReply(RELAY, response)
    t.is(reading.kind, 'portal')
    t.is(reading.kind === 'portal' ? reading.location : '', location)
  }
})

test('a server that sends http on to its own https is no portal', (t) => {
  t.is(kind(RELAY, reply(301, { location: 'https://relay.example/generate_204' })), 'unclear')
  t.is(kind(RELAY, reply(301, { location: 'https://relay.example:8443/' })), 'unclear')
})

test('what tells nothing is unclear', (t) => {
  for (const response of [reply(200), reply(404, {}, 'no'), reply(500), reply(403), reply(304), reply(302)]) {
    t.is(kind(RELAY, response), 'unclear', String(response.status))
  }
  t.is(kind(RELAY, reply(302, { location: 'javascript:alert(1)' })), 'unclear')
  t.is(kind(RELAY, reply(302, { location: 'http://' })), 'unclear')
})

test('where a portal redirects to is shown without control characters and bounded', (t) => {
  const reading = readPortalReply(
    RELAY,
    reply(302, { location: `http://p.example/\u001b[2J${'x'.repeat(9999)}` }),
  )
  t.true(reading.kind === 'portal' && reading.location !== undefined)
  t.notRegex(JSON.stringify(reading), /\\u001b/)
  t.true(JSON.stringify(reading).length < 1000)
})

test('a portal that only a guessed port shows is inferred: another server may live there', (t) => {
  const page = reply(200, {}, '<html>')
  const guessed = readPortalReply(RELAY_PORT_80, page)
  t.like(agreeOnPortal([guessed], []), { value: true, confidence: 'inferred' })
  t.like(agreeOnPortal([guessed, readPortalReply(PAGE, page)], []), { value: true, confidence: 'measured' })
})

test('k of n: the majority decides, and the evidence counts', (t) => {
  const genuine: PortalReading = { kind: 'genuine', check: PAGE, seen: 'answered 204' }
  const portal: PortalReading = {
    kind: 'portal',
    check: PAGE,
    seen: 'answered 302',
    location: 'http://p.example/',
  }
  const unclear: PortalReading = { kind: 'unclear', check: PAGE, seen: 'answered 404' }
  t.like(agreeOnPortal([genuine, genuine], []), { value: false, confidence: 'measured' })
  t.like(agreeOnPortal([genuine, genuine, portal], []), { value: false, confidence: 'inferred' })
  t.like(agreeOnPortal([portal, portal, genuine], []), {
    value: true,
    confidence: 'inferred',
    location: 'http://p.example/',
  })
  t.like(agreeOnPortal([portal, genuine], []), { value: 'unknown', confidence: 'unknown' })
  t.like(agreeOnPortal([unclear], ['x did not answer']), { value: 'unknown' })
  t.is(
    agreeOnPortal([portal, unclear], ['x did not answer']).evidence.at(-1),
    '1 of 1 answers are those of a captive portal',
  )
})
