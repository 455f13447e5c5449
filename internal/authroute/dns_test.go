package authroute_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"signet/authproof"
	"signet/internal/authroute"
)

// aliceHash is printf '%s' alice@example.org | sha256sum.
const aliceHash = "7a64adf28737ea90719cbdf0b1a87a5effff3753b79c91d717f4f4153ead0498"

func TestUserStandsInTheNameOnlyWhereItIsAHostLabel(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, local := range []string{"alice", "a", "0", "a-b", "9a", long, strings.Repeat("0123abcd", 6)} {
		if got := authroute.UserLabel(local); got != local {
			t.Errorf("%q: got %q, want itself", local, got)
		}
	}
	if got := authroute.UserLabel("Alice"); got != "alice" {
		t.Errorf("Alice: got %q, want alice", got)
	}
	likeAHash := strings.Repeat("0123abcd", 7)
	for _, local := range []string{"", "-a", "a-", "a_b", "a b", "*", "a@b", "a\x00b", long + "a", likeAHash} {
		if got := authroute.UserLabel(local); len(got) != 56 || got == local {
			t.Errorf("%q: got %q, want a hash", local, got)
		}
	}
	// printf '%s' LOCAL | sha256sum | cut -c1-56
	for local, want := range map[string]string{
		"alice.b": "9f5eb4f1405cf719d0643de92134fd6b1d9c89c4dfd8ab76c88bfe8f",
		"A+b":     "300273daf0bb57c239f83585d71ced54ce6b3b5fb81615abbeeb3f9c",
		"Ä":       "33e6d73fee82904c8d7afb78de1154d1e8dc2a0edb08120e63df5b93",
	} {
		if got := authroute.UserLabel(local); got != want {
			t.Errorf("%q: got %s, want %s", local, got, want)
		}
	}
}

func TestKeyNameIsANameOfTheDNS(t *testing.T) {
	for address, want := range map[string]string{
		"alice@example.org":          "_authroute.alice._domainkey.example.org.",
		"ALICE@EXAMPLE.ORG":          "_authroute.alice._domainkey.example.org.",
		"alice@bücher.example":       "_authroute.alice._domainkey.xn--bcher-kva.example.",
		`a@b"@example.org`:           "_authroute." + authroute.UserLabel(`a@b"`) + "._domainkey.example.org.",
		"alice":                      "",
		"@example.org":               "",
		"alice@":                     "",
		"alice@[192.0.2.1]":          "",
		"alice@example..org":         "",
		"alice@example.org.":         "",
		"alice@exa mple.org":         "",
		`alice@x\.example.org`:       "",
		"alice@-a.example":           "",
		"alice@" + longDomain("a.d"): "",
	} {
		got, err := authroute.KeyName(address)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", address, got, err, want)
		}
	}
}

// longDomain returns a domain that makes the name of a key longer than DNS names are.
func longDomain(end string) string { return strings.Repeat(strings.Repeat("x", 50)+".", 5) + end }

func testKey(t testing.TB) (authroute.Key, ed25519.PrivateKey) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return authroute.Key{
		ID: authproof.KeyID(pub), Type: authroute.Subkey, User: "alice", Address: "alice@example.org", Public: pub,
		Expires: time.Now().Add(time.Hour),
	}, priv
}

func TestPublishedRecordIsReadAgain(t *testing.T) {
	k, _ := testKey(t)
	text := authroute.RecordOf(k).String()
	if len(text) > 255 {
		t.Errorf("%d bytes do not fit one string of a TXT record", len(text))
	}
	got, err := authroute.ParseRecord(text)
	want := authroute.Record{KeyID: k.ID, Address: aliceHash, Public: k.Public}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("live key: %v %s", err, diff)
	}

	k.Revoked = time.Now()
	got, err = authroute.ParseRecord(authroute.RecordOf(k).String())
	want.Public = nil
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("revoked key: %v %s", err, diff)
	}
}

func TestRecordIsReadStrictly(t *testing.T) {
	k, _ := testKey(t)
	p := base64.StdEncoding.EncodeToString(k.Public)
	small := base64.StdEncoding.EncodeToString(append([]byte{1}, make([]byte, 31)...))
	rest := "; kid=" + k.ID + "; a=" + aliceHash
	good := "v=AUTHROUTE1; k=ed25519; p=" + p + "; t=s" + rest
	for name, text := range map[string]string{
		"as published":       good,
		"no spaces":          strings.ReplaceAll(good, " ", ""),
		"semicolon at end":   good + ";",
		"tabs and spaces":    strings.ReplaceAll(good, "; ", " ;\t "),
		"unknown tag":        good + "; n=a note=with equals; x=",
		"no flags":           strings.Replace(good, " t=s;", "", 1),
		"another order":      "v=AUTHROUTE1" + rest + "; p=" + p + "; k=ed25519",
		"spaces around =":    strings.ReplaceAll(good, "k=ed", "k = ed"),
		"blanks at the ends": "  " + good + "\t",
	} {
		if got, err := authroute.ParseRecord(text); err != nil || got.KeyID != k.ID {
			t.Errorf("%s: got %v, %v, want the key", name, got, err)
		}
	}
	for name, text := range map[string]string{
		"empty":                "",
		"SPF":                  "v=spf1 -all",
		"DKIM":                 "v=DKIM1; k=ed25519; p=" + p,
		"version later":        "k=ed25519; v=AUTHROUTE1; p=" + p + rest,
		"version twice":        good + "; v=AUTHROUTE1",
		"unknown version":      strings.Replace(good, "AUTHROUTE1", "AUTHROUTE2", 1),
		"lower-case version":   strings.Replace(good, "AUTHROUTE1", "authroute1", 1),
		"key twice":            good + "; p=" + p,
		"unknown tag twice":    good + "; x=1; x=1",
		"no key":               "v=AUTHROUTE1; k=ed25519" + rest,
		"no algorithm":         "v=AUTHROUTE1; p=" + p + rest,
		"another algorithm":    strings.Replace(good, "ed25519", "rsa", 1),
		"no kid":               "v=AUTHROUTE1; k=ed25519; p=" + p + "; a=" + aliceHash,
		"no address":           "v=AUTHROUTE1; k=ed25519; p=" + p + "; kid=" + k.ID,
		"kid of another key":   strings.Replace(good, "kid="+k.ID, "kid="+aliceHash, 1),
		"kid in upper case":    strings.Replace(good, k.ID, strings.ToUpper(k.ID), 1),
		"short kid":            strings.Replace(good, k.ID, k.ID[1:], 1),
		"short address hash":   strings.Replace(good, aliceHash, aliceHash[1:], 1),
		"plain address":        strings.Replace(good, aliceHash, "alice@example.org", 1),
		"unpadded key":         strings.Replace(good, p, strings.TrimRight(p, "="), 1),
		"blank inside the key": strings.Replace(good, p, p[:9]+" "+p[9:], 1),
		"point of small order": "v=AUTHROUTE1; k=ed25519; p=" + small + "; kid=" + authproof.KeyID(append([]byte{1}, make([]byte, 31)...)) + "; a=" + aliceHash,
		"no equals sign":       good + "; flag",
		"empty tag":            good + "; ; x=1",
		"tag of digits":        good + "; 1=1",
	} {
		if got, err := authroute.ParseRecord(text); err == nil {
			t.Errorf("%s: got %v, want an error", name, got)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	k, _ := testKey(f)
	f.Add(authroute.RecordOf(k).String())
	k.Revoked = time.Unix(1, 0)
	f.Add(authroute.RecordOf(k).String())
	f.Add("v=AUTHROUTE1;k=ed25519;p=;kid=;a=;;")
	f.Add("v=AUTHROUTE1; x==; =x")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := authroute.ParseRecord(text)
		if err != nil {
			return
		}
		if r.Public != nil && authproof.CheckPublicKey(r.Public) != nil {
			t.Errorf("an unusable key was accepted from %q", text)
		}
		again, err := authroute.ParseRecord(r.String())
		if diff := cmp.Diff(r, again); err != nil || diff != "" {
			t.Errorf("%q does not survive: %v %s", text, err, diff)
		}
	})
}
