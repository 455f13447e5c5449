package jws_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"signet/internal/jws"
)

func TestPartsAreReadOnlyInTheirOneSpelling(t *testing.T) {
	const good = "eyJhIjoxfQ.e30.AAA"
	if _, err := jws.Parse(good, len(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ token, field string }{
		"too long":                  {good + "A", ""},
		"two parts":                 {"e30.e30", ""},
		"four parts":                {good[:len(good)-2] + "..", ""},
		"nothing":                   {"", ""},
		"line end in the signature": {"e30.e30.AA\nA", "signature"},
		"padded signature":          {"e30.e30.AAA=", "signature"},
		"other spelling":            {"e30.e30.AAB", "signature"},
		"standard base64":           {"e30.e30.+///", "signature"},
		"space in the header":       {"e3 0.e30.AAA", "header"},
		"header of nothing":         {".e30.AAA", "header"},
		"header null":               {"bnVsbA.e30.AAA", "header"},
		"payload of nothing":        {"e30..AAA", "payload"},
		"payload padded":            {"e30.e30=.AAA", "payload"},
	} {
		_, err := jws.Parse(c.token, len(good))
		if e, ok := errors.AsType[*jws.Error](err); !ok || e.Field != c.field {
			t.Errorf("%s: got %v, want an error at %q", name, err, c.field)
		}
	}
}

func TestTokensOfTheOracleVerifyAndOthersDoNot(t *testing.T) {
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES384, Key: private}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(`{"a":"b"}`))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	k, err := jws.NewKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.Parse(compact, 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(k, jws.ES384); err != nil {
		t.Error(err)
	}
	if err := token.Verify(k, jws.ES256); err == nil {
		t.Error("the key verifies with the algorithm of another curve")
	}
	if err := token.Verify(jws.Key{}, jws.ES384); err == nil {
		t.Error("no key verifies")
	}
	other, err := jws.Parse(strings.Replace(compact, b64([]byte(`{"a":"b"}`)), b64([]byte(`{"a":"c"}`)), 1), 1<<10)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(k, jws.ES384); err == nil {
		t.Error("another payload verifies")
	}
}

func TestMembersAreReadByNameAndType(t *testing.T) {
	o, ok := jws.ParseObject(`{"text":"a\u00e9","empty":"","null":null,"number":7,"float":7.0,"exponent":7e3,"large":999999999999,"negative":-7,"zero":0,
		"list":["a","b"],"none":[],"nulls":[null],"numbers":[1],"object":{"a":"b"},"objects":[{},{"a":"b"}],"Case":"x","aud":["a"],"scope":"a b"}`)
	if !ok {
		t.Fatal("not read")
	}
	r := o.Read()
	if r.Text("text") != "aé" || strings.Join(r.List("list"), " ") != "a b" || r.List("none") != nil || !r.Time("number").Equal(time.Unix(7, 0)) ||
		r.Objects("objects")[1].Read().Text("a") != "b" || r.OptionalText("absent") != "" || !r.OptionalTime("absent").IsZero() || r.OptionalList("absent") != nil ||
		r.Audience()[0] != "a" || len(r.Scopes()) != 2 || r.Object("object").Read().Text("a") != "b" || r.Err() != nil {
		t.Fatalf("read wrongly: %v", r.Err())
	}
	for name, read := range map[string]func(*jws.Reader){
		"absent": func(r *jws.Reader) { r.Text("absent") }, "empty": func(r *jws.Reader) { r.Text("empty") }, "null": func(r *jws.Reader) { r.OptionalText("null") },
		"number": func(r *jws.Reader) { r.Text("number") }, "object": func(r *jws.Reader) { r.Text("object") }, "case": func(r *jws.Reader) { r.Text("case") },
		"float": func(r *jws.Reader) { r.Time("float") }, "exponent": func(r *jws.Reader) { r.Time("exponent") }, "large": func(r *jws.Reader) { r.Time("large") },
		"negative": func(r *jws.Reader) { r.OptionalTime("negative") }, "zero": func(r *jws.Reader) { r.Time("zero") }, "text": func(r *jws.Reader) { r.Time("text") },
		"nulls": func(r *jws.Reader) { r.List("nulls") }, "numbers": func(r *jws.Reader) { r.List("numbers") }, "scope": func(r *jws.Reader) { r.OptionalList("scope") },
		"list": func(r *jws.Reader) { r.Object("list") },
	} {
		r := o.Read()
		read(r)
		r.Wrong("later", "it comes second")
		if e, ok := errors.AsType[*jws.Error](r.Err()); !ok || e.Field != name {
			t.Errorf("%s: got %v, want an error there", name, r.Err())
		}
	}
}
