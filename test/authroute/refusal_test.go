package authroute_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	signettest "signet/test/signet"
)

const (
	smallOrderText = "is not an Ed25519 public key: a point of small order"

	primaryPath  = "/api/v1/authroute/keys/primary"
	generatePath = "/api/v1/authroute/keys/generate"
	delegatePath = "/api/v1/authroute/keys/delegate"
	// smallOrder is a point of order 8 (RFC 8032, section 5.1), whose signatures anybody makes.
	smallOrder = "JuiVj8KyJ7BFw/SJ8u+Y8NXfrAXTxjM5sTgCiG1T/AU="
)

// refusal is a request that must be refused, and how.
type refusal struct {
	path, body string
	headers    []string // beside the owner's token
	status     int
	word       string // of the problem type
	field      string
	detail     string
}

// Every refusal of the key API says what was wrong, where, and what would be right,
// and changes nothing.
func TestKeyAPIRefusesWithStatusTypeAndDetail(t *testing.T) {
	t.Parallel()
	f := newOffice(t, signettest.Options{})
	before := f.keysOf(t, f.alice)
	cases := f.subkeyRefusals(t)
	for _, more := range []map[string]refusal{f.primaryRefusals(t), f.revokeRefusals(t), f.bodyRefusals(t)} {
		maps.Copy(cases, more)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { f.refuse(t, c) })
	}
	if after := f.keysOf(t, f.alice); after != before {
		t.Errorf("the refused requests left\n%s\nwant\n%s", after, before)
	}
}

func (f *office) refuse(t *testing.T, c refusal) {
	t.Helper()
	token := f.alice.Token
	for n := range c.headers {
		if c.headers[n] == "Authorization" {
			token = ""
		}
	}
	a := f.signet.Call(http.MethodPost, c.path, token, c.body, c.headers...)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("%d, Content-Type %q: %.300s", a.Status, got, a.Body)
	}
	var p signettest.Problem
	a.JSON(t, &p)
	want := signettest.Problem{
		Type: "urn:signet:problem:" + c.word, Title: http.StatusText(c.status), Status: c.status,
		Detail: c.detail, Field: c.field, RequestID: p.RequestID,
	}
	if p != want || a.Status != c.status || p.RequestID == "" {
		t.Errorf("got %d %+v, want %+v", a.Status, p, want)
	}
}

// keysOf returns a user's keys as the API lists them, the revoked ones too.
func (f *office) keysOf(t *testing.T, u *signettest.User) string {
	t.Helper()
	keys, err := u.Keys(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func (f *office) subkeyRefusals(t *testing.T) map[string]refusal {
	t.Helper()
	const (
		badPublic    = "is not an Ed25519 public key: not standard base64 of 32 bytes"
		badSignature = "is not the standard base64 of an Ed25519 signature of 64 bytes"
		badTime      = "is not an RFC 3339 time in whole seconds, UTC, such as 2027-01-31T12:00:00Z"
		badExpiry    = "must lie in the future, and at most two years ahead"
	)
	bob := f.NewUser(f.signet, "bob@enforce.test")
	primary, next, other := f.alice.Primary, signettest.NewKey(t, alice), signettest.NewKey(t, alice)
	tomorrow := time.Now().Add(24 * time.Hour)
	good := subkeyBody(primary, next, tomorrow)
	at := func(address string) body {
		k := next
		k.Address = address
		return subkeyBody(primary, k, tomorrow)
	}
	invalid := func(b body, field, detail string) refusal {
		return refusal{path: generatePath, body: b.text(t), status: 422, word: "invalid", field: field, detail: detail}
	}
	forbidden := func(b body, field, detail string) refusal {
		return refusal{path: generatePath, body: b.text(t), status: 403, word: "forbidden", field: field, detail: detail}
	}
	conflict := func(b body, detail string) refusal {
		return refusal{path: generatePath, body: b.text(t), status: 409, word: "conflict", field: "public_key", detail: detail}
	}
	return map[string]refusal{
		"certified by another key":         forbidden(subkeyBody(other, next, tomorrow), "signature", "Invalid primary key signature"),
		"certified by another's primary":   forbidden(subkeyBody(bob.Primary, next, tomorrow), "signature", "Invalid primary key signature"),
		"no proof of possession":           forbidden(good.with("subkey_signature", good["signature"]), "subkey_signature", "Invalid subkey signature"),
		"altered expiry":                   forbidden(good.with("expires_at", stamp(tomorrow.Add(time.Hour))), "signature", "Invalid primary key signature"),
		"another's address":                forbidden(at(bob.Email), "address", "is not a verified address of yours"),
		"an address of nobody":             forbidden(at("nobody@enforce.test"), "address", "is not a verified address of yours"),
		"a key id of another key":          invalid(good.with("key_id", other.ID), "key_id", "is not the lower-case hex SHA-256 of public_key"),
		"a key id in capitals":             invalid(good.with("key_id", strings.ToUpper(next.ID)), "key_id", "is not the lower-case hex SHA-256 of public_key"),
		"a public key that is no base64":   invalid(good.with("public_key", "!"+good["public_key"][1:]), "public_key", badPublic),
		"a public key of 16 bytes":         invalid(good.with("public_key", "AAAAAAAAAAAAAAAAAAAAAA=="), "public_key", badPublic),
		"a public key of small order":      invalid(good.with("public_key", smallOrder), "public_key", smallOrderText),
		"a signature that is no base64":    invalid(good.with("signature", "!"), "signature", badSignature),
		"a subkey signature that is short": invalid(good.with("subkey_signature", "AAAA"), "subkey_signature", badSignature),
		"an expiry in the past":            invalid(subkeyBody(primary, next, time.Now().Add(-time.Hour)), "expires_at", badExpiry),
		"an expiry in three years":         invalid(subkeyBody(primary, next, time.Now().AddDate(3, 0, 0)), "expires_at", badExpiry),
		"an expiry in another zone":        invalid(good.with("expires_at", "2027-01-31T12:00:00+01:00"), "expires_at", badTime),
		"an expiry that is no time":        invalid(good.with("expires_at", "tomorrow"), "expires_at", badTime),
		"the same key again":               conflict(subkeyBody(primary, f.keys["enforce"], tomorrow), "the key id is registered already"),
		"the primary key as a subkey":      conflict(subkeyBody(primary, primary, tomorrow), "the key id is registered already"),
		"delegation that has expired": {
			path: delegatePath, body: body{"address": alice, "expires_at": stamp(time.Now().Add(-time.Hour))}.text(t),
			status: 422, word: "invalid", field: "expires_at", detail: badExpiry,
		},
		"delegation of another's address": {
			path: delegatePath, body: body{"address": bob.Email, "expires_at": stamp(tomorrow)}.text(t),
			status: 403, word: "forbidden", field: "address", detail: "is not a verified address of yours",
		},
	}
}

func (f *office) primaryRefusals(t *testing.T) map[string]refusal {
	t.Helper()
	const badTimestamp = "must lie at most 5 minutes back and not ahead"
	next := signettest.NewKey(t, alice)
	good := primaryBody(f.signet.Origin, next, time.Now())
	return map[string]refusal{
		"a second primary key": {
			path: primaryPath, body: good.text(t), status: 409, word: "conflict",
			detail: "you have a primary key: replacing it needs previous_signature by the old one",
		},
		"a primary key that the old one did not sign": {
			path: primaryPath, body: f.replacing(next, next).text(t), status: 403, word: "forbidden",
			field: "previous_signature", detail: "Invalid signature of the previous primary key",
		},
		"a primary key without possession": {
			path: primaryPath, body: f.replacing(f.alice.Primary, f.alice.Primary).with("public_key", publicOf(next)).text(t),
			status: 403, word: "forbidden", field: "signature", detail: "Invalid primary key signature",
		},
		"a request of an hour ago": {
			path: primaryPath, body: primaryBody(f.signet.Origin, next, time.Now().Add(-time.Hour)).text(t),
			status: 422, word: "invalid", field: "timestamp", detail: badTimestamp,
		},
		"a request from the future": {
			path: primaryPath, body: primaryBody(f.signet.Origin, next, time.Now().Add(time.Hour)).text(t),
			status: 422, word: "invalid", field: "timestamp", detail: badTimestamp,
		},
		"a primary key of small order": {
			path: primaryPath, body: good.with("public_key", smallOrder).text(t), status: 422, word: "invalid",
			field: "public_key", detail: smallOrderText,
		},
	}
}

// replacing is a request to replace alice's primary key, signed by whom it may concern.
func (f *office) replacing(next, old signettest.Key) body {
	b := primaryBody(f.signet.Origin, next, time.Now())
	sign := func(k signettest.Key) string {
		return signed(k, "authroute-primary:v1\n%s\n%s\n%s\n%s\n%s", f.signet.Origin, alice, b["public_key"], f.alice.Primary.ID, b["timestamp"])
	}
	return b.with("signature", sign(next), "previous_signature", sign(old))
}

func (f *office) revokeRefusals(t *testing.T) map[string]refusal {
	t.Helper()
	carol := f.NewUser(f.signet, "carol@enforce.test")
	carols := carol.NewKey(t, carol.Email)
	if err := carol.RevokeKey(t.Context(), carols.ID, ""); err != nil {
		t.Fatal(err)
	}
	revoke := func(k signettest.Key) string { return "/api/v1/authroute/keys/" + k.ID + "/revoke" }
	const notYours = "no such key of yours"
	return map[string]refusal{
		"revoking a key that nobody has":   {path: revoke(signettest.NewKey(t, alice)), body: `{}`, status: 404, word: "not-found", detail: notYours},
		"revoking another's key":           {path: revoke(carol.Primary), body: `{}`, status: 404, word: "not-found", detail: notYours},
		"revoking what is no key id":       {path: "/api/v1/authroute/keys/x/revoke", body: `{}`, status: 404, word: "not-found", detail: notYours},
		"revoking for a very long reason":  {path: revoke(f.keys["enforce"]), body: body{"reason": strings.Repeat("x", 501)}.text(t), status: 422, word: "invalid", field: "reason", detail: "must have at most 500 bytes"},
		"revoking for a reason with a NUL": {path: revoke(f.keys["enforce"]), body: `{"reason":"a\u0000b"}`, status: 400, word: "malformed", detail: "body is not UTF-8 without NUL"},
		"revoking a revoked key": {
			path: revoke(carols), headers: []string{"Authorization", "Bearer " + carol.Token}, body: `{}`,
			status: 409, word: "conflict", detail: "the key is revoked already",
		},
		"generating without a primary key": {
			path: generatePath, headers: []string{"Authorization", "Bearer " + f.admin},
			body:   subkeyBody(carol.Primary, signettest.NewKey(t, "root@enforce.test"), time.Now().Add(time.Hour)).text(t),
			status: 409, word: "conflict", detail: "you have no primary key yet: register one at /api/v1/authroute/keys/primary",
		},
	}
}

// bodyRefusals are those of requests that cannot be read.
func (f *office) bodyRefusals(t *testing.T) map[string]refusal {
	t.Helper()
	good := subkeyBody(f.alice.Primary, signettest.NewKey(t, alice), time.Now().Add(time.Hour))
	text := good.text(t)
	member := func(m string) string { return strings.TrimSuffix(text, "}") + "," + m + "}" }
	missing := good.with()
	delete(missing, "signature")
	return map[string]refusal{
		"an oversize body":             {path: generatePath, body: member(`"x":"` + strings.Repeat("x", 70_000) + `"`), status: 413, word: "too-large", detail: "request body is too large"},
		"an unknown member":            {path: generatePath, body: member(`"admin":true`), status: 422, word: "invalid", field: "admin", detail: "unknown member"},
		"a member in another case":     {path: generatePath, body: member(`"Key_ID":"x"`), status: 422, word: "invalid", field: "Key_ID", detail: "unknown member"},
		"a member twice":               {path: generatePath, body: member(`"key_id":"x"`), status: 400, word: "malformed", field: "key_id", detail: "body names a member twice"},
		"a member missing":             {path: generatePath, body: missing.text(t), status: 422, word: "invalid", field: "signature", detail: "is required"},
		"a member of another type":     {path: generatePath, body: strings.Replace(text, `"address":"`+alice+`"`, `"address":7`, 1), status: 422, word: "invalid", field: "address", detail: "expected string"},
		"no body":                      {path: generatePath, status: 400, word: "malformed", detail: "request body is required"},
		"an array":                     {path: generatePath, body: "[" + text + "]", status: 422, word: "invalid", detail: "expected object"},
		"no JSON":                      {path: generatePath, body: "key_id=x", status: 400, word: "malformed", detail: "body is not JSON: it breaks off or goes wrong at byte 1"},
		"JSON that goes on":            {path: generatePath, body: text + text, status: 400, word: "malformed", detail: fmt.Sprintf("body is not JSON: it breaks off or goes wrong at byte %d", len(text)+1)},
		"JSON 100 deep":                {path: generatePath, body: strings.Repeat("[", 100) + strings.Repeat("]", 100), status: 400, word: "malformed", detail: "body is nested deeper than 32"},
		"a form":                       {path: generatePath, body: text, headers: []string{"Content-Type", "application/x-www-form-urlencoded"}, status: 415, word: "unsupported-media-type", detail: "Content-Type must be application/json"},
		"text":                         {path: generatePath, body: text, headers: []string{"Content-Type", "text/plain"}, status: 415, word: "unsupported-media-type", detail: "Content-Type must be application/json"},
		"a body that is not UTF-8":     {path: generatePath, body: member(`"` + "\xff" + `":1`), status: 400, word: "malformed", detail: "body is not UTF-8 without NUL"},
		"no credential":                {path: generatePath, body: text, headers: []string{"Authorization", ""}, status: 401, word: "unauthorized", detail: "authentication is required: send an API token in Authorization: Bearer sgt_..."},
		"a credential that is no good": {path: generatePath, body: text, headers: []string{"Authorization", "Bearer sgt_x"}, status: 401, word: "unauthorized", detail: "the API token or service key is unknown, expired or revoked"},
	}
}
