// What both OAuth libraries' scripts share: tokens read by jose, and the person's browser,
// which the test has.
import assert from 'node:assert/strict';
import { createRemoteJWKSet, jwtVerify } from 'jose';

// Access tokens are checked as a resource server would (RFC 9068, section 4).
export async function checkAccessToken(given, tokens, DPoP) {
  assert.equal(tokens.token_type.toLowerCase(), 'dpop');
  const { payload } = await jwtVerify(tokens.access_token, createRemoteJWKSet(new URL('/jwks', given.issuer)), {
    issuer: given.issuer, audience: given.issuer, typ: 'at+jwt', algorithms: ['ES256', 'EdDSA'],
    requiredClaims: ['exp', 'iat', 'sub', 'client_id', 'jti', 'scope'],
  });
  assert.equal(payload.cnf.jkt, await DPoP.calculateThumbprint());
  return payload;
}

export async function checkIDToken(given, tokens, nonce) {
  const { payload } = await jwtVerify(tokens.id_token, createRemoteJWKSet(new URL('/jwks', given.issuer)), {
    issuer: given.issuer, audience: given.id, requiredClaims: ['exp', 'iat', 'sub', 'auth_time', 'acr'],
  });
  assert.equal(payload.nonce, nonce);
  // The one is of no use as the other.
  await assert.rejects(jwtVerify(tokens.id_token, createRemoteJWKSet(new URL('/jwks', given.issuer)), { typ: 'at+jwt' }));
}

// browse has the person follow an address, or let in the device that shows a code. It
// returns where the browser ended.
export async function browse(given, to) {
  const res = await fetch(given.browser, { method: 'POST', body: String(to) });
  const text = await res.text();
  assert.equal(res.status, 200, text);
  return text && new URL(text);
}
