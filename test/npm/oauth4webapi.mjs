// One grant by oauth4webapi, as its documents show it: a request that is refused for want
// of a nonce is sent once more, and the handle has kept the nonce. It fails where anything
// is not as it should be, and prints the access token.
//
//   node oauth4webapi.mjs '{"issuer", "id", "secret", "public", "browser", "redirect"}' GRANT ALG
import assert from 'node:assert/strict';
import * as oauth from 'oauth4webapi';
import { checkAccessToken, checkIDToken, browse } from './tokens.mjs';

const [, , text, grant, alg] = process.argv;
const given = JSON.parse(text);
const issuer = new URL(given.issuer);
const insecure = { [oauth.allowInsecureRequests]: true };
const as = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  .then((res) => oauth.processDiscoveryResponse(issuer, res));

const client = { client_id: given.id };
const auth = oauth.ClientSecretBasic(given.secret);
const DPoP = oauth.DPoP(client, await oauth.generateKeyPair(alg));
let nonces = 0;

// again is the documents' way with nonces.
async function again(request, process) {
  const once = () => request().then(process);
  return once().catch((err) => {
    if (!oauth.isDPoPNonceError(err)) {
      throw err;
    }
    nonces++;
    return once();
  });
}

const grants = {
  async client_credentials() {
    return again(
      () => oauth.clientCredentialsGrantRequest(as, client, auth, { scope: 'mail:send' }, { DPoP, ...insecure }),
      (res) => oauth.processClientCredentialsResponse(as, client, res));
  },

  async authorization_code(pushed = false) {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const nonce = oauth.generateRandomNonce();
    let asked = new URLSearchParams({
      client_id: client.client_id, response_type: 'code', redirect_uri: given.redirect, scope: 'openid email offline_access', state, nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
    });
    if (pushed) {
      const { request_uri } = await again(
        () => oauth.pushedAuthorizationRequest(as, client, auth, asked, { DPoP, ...insecure }),
        (res) => oauth.processPushedAuthorizationResponse(as, client, res));
      asked = new URLSearchParams({ client_id: client.client_id, request_uri });
    }
    const back = await browse(given, `${as.authorization_endpoint}?${asked}`);
    const params = oauth.validateAuthResponse(as, client, back, state);
    const tokens = await again(
      () => oauth.authorizationCodeGrantRequest(as, client, auth, params, given.redirect, verifier, { DPoP, ...insecure }),
      (res) => oauth.processAuthorizationCodeResponse(as, client, res, { expectedNonce: nonce, requireIdToken: true }));
    await checkIDToken(given, tokens, nonce);
    return tokens;
  },

  par: () => grants.authorization_code(true),

  async refresh_token() {
    const { refresh_token } = await grants.authorization_code();
    const tokens = await again(
      () => oauth.refreshTokenGrantRequest(as, client, auth, refresh_token, { DPoP, ...insecure }),
      (res) => oauth.processRefreshTokenResponse(as, client, res));
    assert.notEqual(tokens.refresh_token, refresh_token, 'the refresh token rotates');
    return tokens;
  },

  async device_code() {
    const device = { client_id: given.public };
    const waiting = await oauth.deviceAuthorizationRequest(as, device, oauth.None(), { scope: 'openid email' }, insecure)
      .then((res) => oauth.processDeviceAuthorizationResponse(as, device, res));
    const poll = () => again(
      () => oauth.deviceCodeGrantRequest(as, device, oauth.None(), waiting.device_code, { DPoP, ...insecure }),
      (res) => oauth.processDeviceCodeResponse(as, device, res));
    await assert.rejects(poll(), { error: 'authorization_pending' });
    await browse(given, waiting.user_code);
    return poll();
  },
};

const tokens = await grants[grant]();
await checkAccessToken(given, tokens, DPoP);
// A nonce is kept from one request to the next: it is asked for once.
assert.equal(nonces, 1);

if (grant !== 'client_credentials') {
  const person = await oauth.userInfoRequest(as, client, tokens.access_token, { DPoP, ...insecure })
    .then((res) => oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, res));
  assert.equal(person.email, given.email);
  await assert.rejects(
    oauth.userInfoRequest(as, client, tokens.access_token, { DPoP: oauth.DPoP(client, await oauth.generateKeyPair(alg)), ...insecure })
      .then((res) => oauth.processUserInfoResponse(as, client, oauth.skipSubjectCheck, res)));
}
if (grant !== 'device_code') { // whose client is public, and sees no token
  const introspect = () => oauth.introspectionRequest(as, client, auth, tokens.access_token, insecure)
    .then((res) => oauth.processIntrospectionResponse(as, client, res));
  const seen = await introspect();
  assert.equal(seen.active, true);
  assert.equal(seen.cnf.jkt, await DPoP.calculateThumbprint());
  await oauth.revocationRequest(as, client, auth, tokens.refresh_token ?? tokens.access_token, insecure).then(oauth.processRevocationResponse);
  assert.deepEqual({ ...(await introspect()) }, { active: false });
}
console.log(tokens.access_token);
