#!/usr/bin/python3
"""A second implementation of the AUTH-PROOF, written from
docs/spec/authenticated-routing.md alone. It needs Debian's python3-cryptography.

    authproof.py keyid  PUBLIC_KEY                        (standard base64)
    authproof.py sign   SEED VERSION TIMESTAMP MESSAGE_ID SENDER [AUDIENCE]   (SEED: 64 hex digits)
    authproof.py verify PROOF PUBLIC_KEY SENDER NOW WINDOW [AUDIENCE...]

verify prints ok, malformed, key, signature or stale, and exits 0 only for ok.
"""

import base64
import hashlib
import json
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAX_ENCODED, MAX_DECODED, MAX_TIMESTAMP = 1400, 1024, 253402300799
P = 2**255 - 19


class Refused(Exception):
    """The proof is refused; the text is the word for it."""


def raw_public(private):
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def key_id(public):
    return hashlib.sha256(public).hexdigest()


def signed_text(version, timestamp, message_id, sender, audience):
    if version == 1:
        return f"{timestamp}:{message_id}:{sender}".encode()
    return f"authroute-v2\n{timestamp}\n{message_id}\n{sender}\n{audience}".encode()


def check_text(version, text):
    text.encode()  # half a surrogate pair is no text
    if not text or re.search("[\x00-\x1f\x7f]", text) or (version == 1 and ":" in text):
        raise Refused("malformed")


def sign(seed, version, timestamp, message_id, sender, audience=None):
    """Return a proof: base64url without padding."""
    check_text(version, message_id)
    check_text(version, sender)
    private = Ed25519PrivateKey.from_private_bytes(seed)
    signature = private.sign(signed_text(version, timestamp, message_id, sender, audience))
    members = {} if version == 1 else {"v": version}
    members |= {
        "key_id": key_id(raw_public(private)),
        "timestamp": timestamp,
        "message_id": message_id,
        "signature": b64(signature),
    }
    return url_safe(json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode())


def url_safe(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_base64(text):
    """Standard or URL-safe, padded or not, in its one canonical spelling."""
    if not re.fullmatch(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}", text):
        raise Refused("malformed")
    bare = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1 or text.endswith("=") and len(text) % 4:
        raise Refused("malformed")
    data = base64.b64decode(bare + "=" * (-len(bare) % 4))
    if base64.b64encode(data).decode().rstrip("=") != bare:
        raise Refused("malformed")
    return data


def parse(proof):
    """Return the members of a proof."""

    def once(pairs):
        if len(dict(pairs)) != len(pairs):
            raise Refused("malformed")
        return dict(pairs)

    def whole(digits):
        if digits.startswith("-") or len(digits) > 18:
            raise Refused("malformed")
        return int(digits)

    def refuse(_):
        raise Refused("malformed")

    if len(proof) > MAX_ENCODED:
        raise Refused("malformed")
    data = decode_base64(proof)
    if len(data) > MAX_DECODED:
        raise Refused("malformed")
    try:
        members = json.loads(
            data.decode(), object_pairs_hook=once, parse_int=whole, parse_float=refuse, parse_constant=refuse
        )
    except ValueError:
        raise Refused("malformed") from None
    if not isinstance(members, dict):
        raise Refused("malformed")
    members.setdefault("v", 1)
    check_members(members)
    return members


def check_members(m):
    if {k: type(v) for k, v in m.items()} != {
        "v": int, "key_id": str, "timestamp": int, "message_id": str, "signature": str,
    }:
        raise Refused("malformed")
    if m["v"] not in (1, 2) or m["timestamp"] > MAX_TIMESTAMP or not re.fullmatch("[0-9a-f]{64}", m["key_id"]):
        raise Refused("malformed")
    try:
        check_text(m["v"], m["message_id"])
    except UnicodeEncodeError:
        raise Refused("malformed") from None
    m["signature"] = decode_base64(m["signature"])
    if len(m["signature"]) != 64:
        raise Refused("malformed")


def check_key(public):
    """Refuse small-order points and encodings that are not canonical."""
    if len(public) != 32:
        raise Refused("key")
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= P or y in small_order():
        raise Refused("key")
    d = -121665 * pow(121666, -1, P) % P
    x2 = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    if pow(x2, (P - 1) // 2, P) not in (0, 1):
        raise Refused("key")


def small_order():
    """The y of the eight points whose order divides 8.

    A point (x, y) of order 8 doubles to y = 0, so x^2 = -y^2, and then the curve's
    equation -x^2 + y^2 = 1 + d x^2 y^2 says d y^4 + 2 y^2 - 1 = 0.
    """
    d = -121665 * pow(121666, -1, P) % P
    found = {0, 1, P - 1}
    for root in roots(1 + d):
        for y in roots((root - 1) * pow(d, -1, P)):
            found.add(y)
    return found


def roots(a):
    """Both square roots of a, or none (P = 5 mod 8)."""
    a %= P
    r = pow(a, (P + 3) // 8, P)
    for candidate in (r, r * pow(2, (P - 1) // 4, P) % P):
        if candidate * candidate % P == a:
            return {candidate, P - candidate}
    return set()


def subkey_text(address, public, expires_at):
    """What certificate and proof of possession of a subkey sign."""
    return f"authroute-subkey:v1\n{address}\n{key_id(public)}\n{b64(public)}\n{expires_at}".encode()


def primary_text(origin, address, public, previous, timestamp):
    """What a primary key signs to be registered; previous is the replaced key's id, or None."""
    return f"authroute-primary:v1\n{origin}\n{address}\n{b64(public)}\n{previous or '-'}\n{timestamp}".encode()


def revocations_text(sequence, updated_at, next_update, revocations):
    """What the signature of a revocation list covers; revocations are (key id, time)."""
    lines = sorted(f"{revoked} {at}\n" for revoked, at in revocations)
    return f"authroute-revocations:v1\n{sequence}\n{updated_at}\n{next_update}\n{''.join(lines)}".encode()


def key_name(address):
    """The DNS name of an address's keys."""
    user, domain = address.lower().rsplit("@", 1)
    if not re.fullmatch("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", user) or re.fullmatch("[0-9a-f]{56}", user):
        user = hashlib.sha256(user.encode()).digest()[:28].hex()
    return f"_authroute.{user}._domainkey.{domain}."


def record(address, public, revoked=False):
    """The text of a key's TXT record."""
    p = "" if revoked else b64(public)
    a = hashlib.sha256(address.lower().encode()).hexdigest()
    return f"v=AUTHROUTE1; k=ed25519; p={p}; t=s; kid={key_id(public)}; a={a}"


def b64(data):
    return base64.b64encode(data).decode()


def verify(proof, public, sender, audiences, now, window):
    """Raise Refused unless the proof holds."""
    m = parse(proof)
    try:
        check_text(m["v"], sender)
    except UnicodeEncodeError:
        raise Refused("malformed") from None
    check_key(public)
    if key_id(public) != m["key_id"]:
        raise Refused("key")
    for audience in [None] if m["v"] == 1 else audiences:
        text = signed_text(m["v"], m["timestamp"], m["message_id"], sender, audience)
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(m["signature"], text)
            break
        except InvalidSignature:
            pass
    else:
        raise Refused("signature")
    if abs(now - m["timestamp"]) > window:
        raise Refused("stale")


def main(args):
    match args:
        case ["keyid", public]:
            print(key_id(base64.b64decode(public)))
        case ["sign", seed, version, timestamp, message_id, sender, *audience]:
            print(sign(bytes.fromhex(seed), int(version), int(timestamp), message_id, sender, *audience))
        case ["verify", proof, public, sender, now, window, *audiences]:
            try:
                verify(proof, base64.b64decode(public), sender, audiences, int(now), int(window))
            except Refused as word:
                print(word)
                return 1
            print("ok")
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
