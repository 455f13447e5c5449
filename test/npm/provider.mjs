// An OpenID Connect provider that is not ours: oidc-provider, which is certified, with
// one client and its own forms for login and consent. Whoever types a name is that
// person. It prints its issuer when it is ready and ends with its standard input.
//
//   node provider.mjs '{"id": ..., "secret": ..., "redirect": ..., "claimsInToken": false}'
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const client = JSON.parse(process.argv[2]);
const server = createServer();

server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: client.id, client_secret: client.secret, redirect_uris: [client.redirect] }],
    pkce: { methods: ['S256'], required: () => true },
    features: { devInteractions: { enabled: true } },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'locale'] },
    conformIdTokenClaims: !client.claimsInToken, // else they are at UserInfo alone
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@gmail.com`, email_verified: true, name: `${id} at work`, locale: 'de-CH' }),
    }),
  });
  server.on('request', provider.callback());
  console.log(issuer);
});

process.stdin.resume().on('end', () => process.exit());
