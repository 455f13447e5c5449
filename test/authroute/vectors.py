#!/usr/bin/python3
"""Writes the test vectors with the second implementation:

    test/authroute/vectors.py proofs   > authproof/testdata/vectors.json
    test/authroute/vectors.py registry > docs/spec/authenticated-routing-registry.json

Private keys are the secret keys of RFC 8032, section 7.1, TEST 1 to 3.
"""

import base64
import json
import sys

sys.dont_write_bytecode = True

import authproof
from authproof import P, b64, key_id, raw_public, sign, signed_text, url_safe
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEEDS = {
    "rfc8032 test 1": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "rfc8032 test 2": "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    "rfc8032 test 3": "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
}
NOW = 1767225600  # 2026-01-01T00:00:00Z
ALICE = "alice@example.org"
MAIL = "<20260101.1@example.org>"
RELAY = "mx.example.org"


def seed(name):
    return bytes.fromhex(SEEDS[name])


def public(name):
    return raw_public(Ed25519PrivateKey.from_private_bytes(seed(name)))


def accepted():
    cases = [
        ("version 1", "rfc8032 test 1", 1, NOW, MAIL, ALICE, None),
        ("version 2 for one relay", "rfc8032 test 1", 2, NOW, MAIL, ALICE, RELAY),
        ("version 2 for any relay", "rfc8032 test 2", 2, NOW, MAIL, ALICE, "*"),
        ("colons in version 2", "rfc8032 test 2", 2, NOW, "<a:b@[IPv6:2001:db8::1]>", "x:y@example.org", RELAY),
        ("quote and backslash in message_id", "rfc8032 test 3", 1, NOW, '<"a\\b"@example.org>', ALICE, None),
        ("not ASCII", "rfc8032 test 3", 2, NOW, "<grüße-✉-😀@example.org>", "jürgen@例え.jp", "xn--r8jz45g.jp"),
        ("space in a quoted local part", "rfc8032 test 3", 1, NOW, MAIL, "john doe@example.org", None),
        ("case is kept", "rfc8032 test 3", 1, NOW, MAIL, "Alice.Smith@Example.ORG", None),
        ("first second", "rfc8032 test 1", 1, 0, MAIL, ALICE, None),
        ("last second", "rfc8032 test 1", 2, authproof.MAX_TIMESTAMP, MAIL, ALICE, RELAY),
    ]
    for name, key, version, timestamp, message_id, sender, audience in cases:
        text = signed_text(version, timestamp, message_id, sender, audience)
        proof = sign(seed(key), version, timestamp, message_id, sender, audience)
        yield {
            "name": name, "key": key, "version": version, "timestamp": timestamp, "message_id": message_id,
            "sender": sender, "audience": audience or "", "signed": text.decode(),
            "object": authproof.decode_base64(proof).decode(), "proof": proof,
        }


def spellings():
    """Other spellings of a version 1 proof of MAIL by ALICE at NOW with the first key."""
    proof = sign(seed("rfc8032 test 1"), 1, NOW, MAIL, ALICE)
    data = authproof.decode_base64(proof)
    m = json.loads(data)
    # JSON white space around moves the bytes, so that the alphabets differ and padding occurs.
    around = (b" " * n + data + b" " * k for n in range(3) for k in range(3))
    slanted = next(d for d in around if {"+", "="} <= set(b64(d)))
    url_signature = m | {"signature": m["signature"].replace("+", "-").replace("/", "_").rstrip("=")}
    escaped = "".join(f"\\u{ord(c):04X}" for c in MAIL)
    forms = {
        "base64url, no padding": proof,
        "base64url, padded": base64.urlsafe_b64encode(slanted).decode(),
        "standard, padded": b64(slanted),
        "standard, no padding": b64(slanted).rstrip("="),
        "one byte of padding": base64.b64encode(padded_to(data, 2)).decode(),
        "two bytes of padding": base64.b64encode(padded_to(data, 1)).decode(),
        "spaces as Python writes them": url_safe(json.dumps(m).encode()),
        "members in another order": url_safe(json.dumps(dict(reversed(m.items()))).encode()),
        "signature in base64url, no padding": url_safe(json.dumps(url_signature).encode()),
        "version 1 said": url_safe(json.dumps({"v": 1} | m).encode()),
        "escapes in a value": url_safe(data.replace(json.dumps(MAIL).encode(), f'"{escaped}"'.encode())),
        "an escape in a name": url_safe(data.replace(b'"key_id"', b'"key\\u005fid"')),
        "white space around": url_safe(b"\r\n\t " + data + b" \n"),
    }
    return [{"name": name, "proof": form} for name, form in forms.items()]


def padded_to(data, remainder):
    """Lengthen the object with white space until its length leaves remainder by 3."""
    return data + b" " * ((remainder - len(data)) % 3)


def malformed():
    m = json.loads(authproof.decode_base64(sign(seed("rfc8032 test 1"), 1, NOW, MAIL, ALICE)))
    data = json.dumps(m).encode()
    good = url_safe(data)
    timestamp = b'"timestamp": %d' % NOW
    signature = m["signature"]

    def having(**members):
        return url_safe(json.dumps(m | members).encode())

    def swapped(old, new):
        assert old in data, old
        return url_safe(data.replace(old, new))

    def lacking(name):
        return url_safe(json.dumps({k: v for k, v in m.items() if k != name}).encode())

    forms = {
        "empty": "",
        "the word for a refused parameter": "malformed",
        "not base64": good[:-1] + "!",
        "line break inside": good[:40] + "\n" + good[40:],
        "space inside": good[:40] + " " + good[40:],
        "too much padding": good + "====",
        "padding inside": good[:40] + "=" + good[40:],
        "both alphabets": "-+" + good,
        "one character over": url_safe(padded_to(data, 0)) + "A",
        "stray bits at the end": stray_bits(url_safe(padded_to(data, 1))),
        "over 1,400 characters": url_safe(data + b" " * (1051 - len(data))),
        "over 1,024 bytes": url_safe(data + b" " * (1025 - len(data))),
        "truncated": url_safe(data[: len(data) // 2]),
        "text after the object": url_safe(data + b"x"),
        "two objects": url_safe(data + data),
        "NUL after the object": url_safe(data + b"\0"),
        "byte order mark": url_safe(b"\xef\xbb\xbf" + data),
        "a list": url_safe(b"[" + data + b"]"),
        "a string": url_safe(b'"x"'),
        "null": url_safe(b"null"),
        "no members": url_safe(b"{}"),
        "comma at the end": url_safe(data.replace(b"}", b",}")),
        "name without quotes": swapped(b'"key_id"', b"key_id"),
        "single quotes": url_safe(data.replace(b'"', b"'")),
        "comment": url_safe(data.replace(b"}", b"/**/}")),
        "member name in another case": swapped(b'"key_id"', b'"Key_id"'),
        "key_id twice": url_safe(data.replace(b"{", b'{"key_id": "' + m["key_id"].encode() + b'", ')),
        "timestamp twice": url_safe(data.replace(b"{", b'{"timestamp": 1, ')),
        "twice by an escape": url_safe(data.replace(b"{", b'{"time\\u0073tamp": 1, ')),
        "unknown member": having(sender=ALICE),
        "member with an empty name": having(**{"": ""}),
        "key_id is a number": having(key_id=1),
        "key_id in upper case": having(key_id=m["key_id"].upper()),
        "key_id too short": having(key_id=m["key_id"][:-1]),
        "key_id with another character": having(key_id=m["key_id"][:-1] + "g"),
        "key_id with a line break": having(key_id=m["key_id"] + "\n"),
        "timestamp is a string": having(timestamp=str(NOW)),
        "timestamp is a fraction": swapped(timestamp, timestamp + b".0"),
        "timestamp with an exponent": swapped(timestamp, b'"timestamp": 1e9'),
        "timestamp is negative": having(timestamp=-1),
        "timestamp is minus zero": swapped(timestamp, b'"timestamp": -0'),
        "timestamp with a plus": swapped(timestamp, b'"timestamp": +1'),
        "timestamp with a leading zero": swapped(timestamp, b'"timestamp": 01'),
        "timestamp in hex": swapped(timestamp, b'"timestamp": 0x10'),
        "timestamp after 9999": having(timestamp=authproof.MAX_TIMESTAMP + 1),
        "timestamp over 63 bits": having(timestamp=2**64 + NOW),
        "timestamp is true": having(timestamp=True),
        "timestamp is null": having(timestamp=None),
        "timestamp is NaN": having(timestamp=float("nan")),
        "message_id is null": having(message_id=None),
        "message_id is a list": having(message_id=[MAIL]),
        "message_id is empty": having(message_id=""),
        "message_id with a colon in version 1": having(message_id="<a:b@example.org>"),
        "message_id with an escaped colon in version 1": swapped(b"<2026", b"<\\u003a2026"),
        "message_id with a line break in version 2": having(v=2, message_id="<a\nb@example.org>"),
        "message_id with NUL": having(message_id="<a\0b@example.org>"),
        "message_id with DEL": having(message_id="<a\x7fb@example.org>"),
        "message_id with a raw line break": swapped(b"<2026", b"<\n2026"),
        "message_id is not UTF-8": swapped(b"<2026", b"<\xff2026"),
        "message_id with an overlong slash": swapped(b"<2026", b"<\xc0\xaf2026"),
        "message_id with half a surrogate pair": swapped(b"<2026", b"<\\ud8002026"),
        "message_id with two high surrogates": swapped(b"<2026", b"<\\ud800\\ud8002026"),
        "message_id with an unknown escape": swapped(b"<2026", b"<\\x2026"),
        "message_id with a short escape": url_safe(data.replace(MAIL.encode(), b"\\u12")),
        "signature is a number": having(signature=1),
        "signature is not base64": having(signature="!" * 88),
        "signature of 63 bytes": having(signature=b64(b"\1" * 63)),
        "signature of 65 bytes": having(signature=b64(b"\1" * 65)),
        "signature with a line break": having(signature=signature[:40] + "\n" + signature[40:]),
        "signature with stray bits": having(signature=stray_bits(signature.rstrip("="))),
        "version 0": having(v=0),
        "version 3": having(v=3),
        "version is a string": having(v="2"),
        "version is null": having(v=None),
        "version is true": having(v=True),
        "version is a fraction": having(v=2.0),
        "VERSION in upper case": having(V=2),
    } | {f"no {name}": lacking(name) for name in m}
    for name, form in forms.items():
        try:
            authproof.parse(form)
        except authproof.Refused:
            yield {"name": name, "proof": form}
        else:
            sys.exit(f"{name}: accepted")


def stray_bits(text):
    """Set a bit that base64 leaves over in the last character."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(text) % 4
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def refused():
    one, other = "rfc8032 test 1", "rfc8032 test 2"
    v1 = sign(seed(one), 1, NOW, MAIL, ALICE)
    v2 = sign(seed(one), 2, NOW, MAIL, ALICE, RELAY)
    any_relay = sign(seed(one), 2, NOW, MAIL, ALICE, "*")
    # What a colon would do: the same signed bytes for another sender.
    joined = url_safe(json.dumps(authproof.parse(v1) | {"v": 1, "message_id": "<1", "signature": b64(
        Ed25519PrivateKey.from_private_bytes(seed(one)).sign(b"%d:<1:a:b@example.org" % NOW))}).encode())
    altered = authproof.parse(v1)
    as_v2 = changed(v1, v=2)
    high_s = altered["signature"][:32] + (
        int.from_bytes(altered["signature"][32:], "little") + 2**252 + 27742317777372353535851937790883648493
    ).to_bytes(32, "little")
    cases = [
        ("another sender", v1, one, "mallory@example.org", [], NOW, "signature"),
        ("sender in another case", v1, one, "Alice@example.org", [], NOW, "signature"),
        ("another timestamp", changed(v1, timestamp=NOW + 1), one, ALICE, [], NOW, "signature"),
        ("another message_id", changed(v1, message_id="<2@example.org>"), one, ALICE, [], NOW, "signature"),
        ("one bit of the signature", changed(v1, signature=flipped(altered["signature"])), one, ALICE, [], NOW, "signature"),
        ("signature plus the group order", changed(v1, signature=b64(high_s)), one, ALICE, [], NOW, "signature"),
        ("another key", v1, other, ALICE, [], NOW, "key"),
        ("another key that the proof names", changed(v1, key_id=key_id(public(other))), other, ALICE, [], NOW, "signature"),
        ("version 1 sold as version 2", as_v2, one, ALICE, [RELAY, "*", ""], NOW, "signature"),
        ("version 2 sold as version 1", changed(v2, v=1), one, ALICE, [RELAY], NOW, "signature"),
        ("another relay", v2, one, ALICE, ["mx.example.com", "*"], NOW, "signature"),
        ("no relay", v2, one, ALICE, [], NOW, "signature"),
        ("any relay where that is not taken", any_relay, one, ALICE, [RELAY], NOW, "signature"),
        ("sender with a colon in version 1", joined, one, "a:b@example.org", [], NOW, "malformed"),
        ("empty sender", v1, one, "", [], NOW, "malformed"),
        ("sender with a line break in version 2", v2, one, ALICE + "\n" + RELAY, [RELAY], NOW, "malformed"),
        ("301 seconds old", v1, one, ALICE, [], NOW + 301, "stale"),
        ("301 seconds early", v2, one, ALICE, [RELAY], NOW - 301, "stale"),
        ("stale and forged", v1, one, "mallory@example.org", [], NOW + 301, "signature"),
        ("exactly 300 seconds old", v1, one, ALICE, [], NOW + 300, "ok"),
        ("exactly 300 seconds early", v1, one, ALICE, [], NOW - 300, "ok"),
        ("second of two relays", v2, one, ALICE, ["mx2.example.org", RELAY], NOW, "ok"),
        ("any relay where that is taken", any_relay, one, ALICE, [RELAY, "*"], NOW, "ok"),
    ]
    for name, proof, key, sender, audiences, now, result in cases:
        try:
            authproof.verify(proof, public(key), sender, audiences, now, 300)
            got = "ok"
        except authproof.Refused as word:
            got = str(word)
        if got != result:
            sys.exit(f"{name}: {got}, want {result}")
        yield {
            "name": name, "proof": proof, "public_key": b64(public(key)), "sender": sender,
            "audiences": audiences, "now": now, "window": 300, "result": result,
        }


def flipped(signature):
    return b64(bytes([signature[0] ^ 1]) + signature[1:])


def changed(proof, **members):
    m = json.loads(authproof.decode_base64(proof)) | members
    return url_safe(json.dumps(m).encode())


def bad_keys():
    """The eight small-order points in every spelling, and all other spellings that are not canonical."""
    ys = [("small order", y) for y in sorted(authproof.small_order())]
    ys += [("not canonical", P + y) for y in range(19)]
    ys += [("not on the curve", y) for y in (2, 7)]
    for why, y in ys:
        for sign_bit in (0, 1):
            data = (y | sign_bit << 255).to_bytes(32, "little")
            try:
                authproof.check_key(data)
            except authproof.Refused:
                yield {"name": f"{why}: y {y if y < 10 else hex(y)}, sign {sign_bit}", "public_key": b64(data)}
            else:
                sys.exit(f"key y={y} accepted")


def proofs():
    return {
        "keys": [
            {"name": n, "seed": SEEDS[n], "public_key": b64(public(n)), "key_id": key_id(public(n))} for n in SEEDS
        ],
        "signed": list(accepted()), "spellings": spellings(), "malformed": list(malformed()),
        "verified": list(refused()), "bad_keys": list(bad_keys()),
    }


def registry():
    """Signatures of the key registry and names in the DNS. Primary key: test 2, subkey: test 1, node key: test 3."""
    primary, subkey, node = "rfc8032 test 2", "rfc8032 test 1", "rfc8032 test 3"
    origin, before = "https://auth.example.org", key_id(public(node))
    since, until = "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"
    certificate = authproof.subkey_text(ALICE, public(subkey), until)
    first = authproof.primary_text(origin, ALICE, public(primary), None, since)
    replaced = authproof.primary_text(origin, ALICE, public(primary), before, since)
    revoked = [(key_id(public(primary)), "2026-01-01T00:00:30Z"), (key_id(public(subkey)), since)]
    revocations = authproof.revocations_text(7, "2026-01-01T00:01:00Z", "2026-01-01T00:11:00Z", revoked)
    nothing = authproof.revocations_text(0, since, "2026-01-01T00:10:00Z", [])
    signed = [
        ("first primary key", primary, first), ("replaced primary key", primary, replaced),
        ("replaced primary key, by the previous one", node, replaced),
        ("certificate of a subkey", primary, certificate), ("possession of a subkey", subkey, certificate),
        ("revocation list", node, revocations), ("empty revocation list", node, nothing),
    ]
    addresses = [
        ALICE, "Alice@Example.org", "john.doe@example.org", "jürgen@example.org", "-@example.org", "a" * 64 + "@example.org",
        "ab" * 28 + "@example.org", "a@b@example.org",
    ]
    return {
        "signed": [
            {
                "name": name, "public_key": b64(public(key)), "text": text.decode(),
                "signature": b64(Ed25519PrivateKey.from_private_bytes(seed(key)).sign(text)),
            }
            for name, key, text in signed
        ],
        "dns": [
            {
                "address": a, "name": authproof.key_name(a), "public_key": b64(public(subkey)),
                "text": authproof.record(a, public(subkey)), "revoked_text": authproof.record(a, public(subkey), True),
            }
            for a in addresses
        ],
    }


match sys.argv[1:]:
    case ["proofs"]:
        made = proofs()
    case ["registry"]:
        made = registry()
    case _:
        sys.exit(__doc__)
json.dump(made, sys.stdout, indent=1, ensure_ascii=False)
print()
