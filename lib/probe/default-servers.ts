/**
 * Ours: public STUN servers of independent operators, asked only when neither `--stun` nor `--relay` is given. They
 * answer from one address each, so filtering stays unknown with them; a relay of one's own tells more.
 */
export const DEFAULT_STUN_SERVERS: readonly string[] = [
  'stun.l.google.com:19302',
  'stun.cloudflare.com:3478',
  'stun.nextcloud.com:3478',
  'global.stun.twilio.com:3478',
]

/** Ours: pages that answer 204 to everybody, used when no relay is given; a portal answers in their place. */
export const DEFAULT_PORTAL_CHECKS: readonly string[] = [
  'http://connectivitycheck.gstatic.com/generate_204',
  'http://cp.cloudflare.com/generate_204',
]
