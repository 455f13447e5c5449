// One grant by openid-client, as its documents show it: proofs, nonces and the second
// request that a nonce takes are the library's own. It fails where anything is not as it
// should be, and prints the access token.
//
//   node openid-client.mjs '{"issuer", "id", "secret", "public", "browser", "redirect"}' GRANT ALG
import assert from 'node:assert/strict';
import * as client from 'openid-client';
import { checkAccessToken, checkIDToken, browse } from './tokens.mjs';

const [, , text, grant, alg] = process.argv;
const given = JSON.parse(text);
const scope = 'openid email offline_access';

const connect = (id, auth) =>
  client.discovery(new URL(given.issuer), id, undefined, auth, { execute: [client.allowInsecureRequests] });
const confidential = () => connect(given.id, client.ClientSecretBasic(given.secret));

const grants = {
  async client_credentials(keys) {
    const config = await confidential();
    const DPoP = client.getDPoPHandle(config, keys);
    const tokens = await client.clientCredentialsGrant(config, { scope: 'mail:send' }, { DPoP });
    assert.equal(tokens.scope, 'mail:send');
    await checkAccessToken(given, tokens, DPoP);
    return [config, DPoP, tokens];
  },

  async authorization_code(keys, pushed = false) {
    const config = await confidential();
    const DPoP = client.getDPoPHandle(config, keys);
    const pkceCodeVerifier = client.randomPKCECodeVerifier();
    const expectedState = client.randomState();
    const expectedNonce = client.randomNonce();
    const asked = {
      redirect_uri: given.redirect, scope, state: expectedState, nonce: expectedNonce,
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
    };
    let to;
    if (pushed) {
      to = await client.buildAuthorizationUrlWithPAR(config, asked, { DPoP });
      assert.deepEqual([...to.searchParams.keys()].sort(), ['client_id', 'request_uri']);
    } else {
      to = client.buildAuthorizationUrl(config, { ...asked, dpop_jkt: await DPoP.calculateThumbprint() });
    }
    const back = await browse(given, to);
    const tokens = await client.authorizationCodeGrant(
      config, back, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }, undefined, { DPoP });
    await checkAccessToken(given, tokens, DPoP);
    await checkIDToken(given, tokens, expectedNonce);
    assert.ok(tokens.refresh_token);
    return [config, DPoP, tokens];
  },

  par: (keys) => grants.authorization_code(keys, true),

  async refresh_token(keys) {
    const [config, DPoP, first] = await grants.authorization_code(keys);
    const tokens = await client.refreshTokenGrant(config, first.refresh_token, undefined, { DPoP });
    await checkAccessToken(given, tokens, DPoP);
    assert.notEqual(tokens.refresh_token, first.refresh_token, 'the refresh token rotates');
    const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair(alg));
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP: thief }), { error: 'invalid_grant' });
    return [config, DPoP, tokens];
  },

  async device_code(keys) {
    const config = await connect(given.public, client.None());
    const DPoP = client.getDPoPHandle(config, keys);
    const waiting = await client.initiateDeviceAuthorization(config, { scope: 'openid email' });
    await browse(given, waiting.user_code);
    const tokens = await client.pollDeviceAuthorizationGrant(config, waiting, undefined, { DPoP });
    await checkAccessToken(given, tokens, DPoP);
    return [config, DPoP, tokens];
  },
};

const [config, DPoP, tokens] = await grants[grant](await client.randomDPoPKeyPair(alg));
const subject = tokens.claims()?.sub;

if (grant !== 'client_credentials') {
  const person = await client.fetchUserInfo(config, tokens.access_token, subject ?? client.skipSubjectCheck, { DPoP });
  assert.equal(person.email, given.email);
  const fresh = await client.fetchProtectedResource(
    config, tokens.access_token, new URL('/fresh-auth', given.issuer), 'POST', new URLSearchParams({ max_age: '600' }),
    new Headers({ 'content-type': 'application/x-www-form-urlencoded' }), { DPoP }).catch((e) => e.response ?? e);
  assert.equal(fresh.status, grant === 'device_code' ? 401 : 200, 'what comes of a device is never fresh');
}

if (grant !== 'device_code') { // whose client is public, and sees no token
  const seen = await client.tokenIntrospection(config, tokens.access_token);
  assert.equal(seen.active, true);
  assert.equal(seen.token_type, 'DPoP');
  assert.equal(seen.cnf.jkt, await DPoP.calculateThumbprint());
  await client.tokenRevocation(config, tokens.refresh_token ?? tokens.access_token);
  assert.deepEqual({ ...(await client.tokenIntrospection(config, tokens.access_token)) }, { active: false });
}
console.log(tokens.access_token);
