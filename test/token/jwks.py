"""Verifies an access token by PyJWT, with the keys of the server: python3 jwks.py JWKS_URL ISSUER AUDIENCE < token"""

import json
import sys

import jwt

url, issuer, audience = sys.argv[1:]
token = sys.stdin.read().strip()
if jwt.get_unverified_header(token)["typ"] != "at+jwt":
    sys.exit("typ is not at+jwt")
key = jwt.PyJWKClient(url).get_signing_key_from_jwt(token)
claims = jwt.decode(
    token,
    key.key,
    algorithms=["ES256", "EdDSA"],
    issuer=issuer,
    audience=audience,
    options={"require": ["exp", "iat", "iss", "aud", "sub", "jti"]},
)
json.dump(claims, sys.stdout)
