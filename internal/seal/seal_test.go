package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"signet/internal/seal"
)

var where = seal.Context("providers", "secret", "p1", "smtp.example.org")

func TestValueOpensOnlyUntouchedInItsPlaceUnderItsKey(t *testing.T) {
	key, other := seal.NewKey(), seal.NewKey()
	s := seal.New(seal.NewRing(key))
	secret := []byte("correct horse battery staple")
	sealed, err := s.Seal(secret, where)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(sealed, where); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("got %q, %v; want the secret", got, err)
	}
	if len(sealed) != len(secret)+seal.Overhead || bytes.Contains(sealed, secret[:8]) {
		t.Errorf("sealed is %d bytes: %x", len(sealed), sealed)
	}
	tests := []struct {
		name    string
		sealer  *seal.Sealer
		sealed  []byte
		context string
		want    error
	}{
		{"another row", s, sealed, seal.Context("providers", "secret", "p2", "smtp.example.org"), seal.ErrContext},
		{"another host", s, sealed, seal.Context("providers", "secret", "p1", "smtp.evil.example"), seal.ErrContext},
		{"no context", s, sealed, "", seal.ErrContext},
		{"key not in the ring", seal.New(seal.NewRing(other)), sealed, where, seal.ErrUnknownKey},
		{"other key of the same id", seal.New(seal.NewRing(seal.Impostor(key))), sealed, where, seal.ErrWrongKey},
		{"cut short", s, sealed[:len(sealed)-1], where, seal.ErrDamaged},
		{"cut to its header", s, sealed[:20], where, seal.ErrDamaged},
		{"empty", s, nil, where, seal.ErrDamaged},
		{"later version", s, append([]byte{2}, sealed[1:]...), where, seal.ErrDamaged},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.sealer.Open(tt.sealed, tt.context)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %q, %v; want %v", got, err, tt.want)
			}
			for _, e := range []error{seal.ErrDamaged, seal.ErrContext, seal.ErrUnknownKey, seal.ErrWrongKey} {
				if e != tt.want && errors.Is(err, e) { //nolint:errorlint // identity is meant
					t.Errorf("%v is also %v", err, e)
				}
			}
		})
	}
}

func TestEveryChangedByteIsNoticed(t *testing.T) {
	s := seal.New(seal.NewRing(seal.NewKey()))
	sealed, _ := s.Seal([]byte("secret"), where)
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		want := seal.ErrDamaged
		if i >= 1 && i <= 8 {
			want = seal.ErrUnknownKey // the key id itself
		}
		if got, err := s.Open(bad, where); !errors.Is(err, want) || got != nil {
			t.Errorf("byte %d: got %q, %v; want %v", i, got, err, want)
		}
	}
}

func TestContextsOfDifferentPartsDiffer(t *testing.T) {
	lists := [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"a:b"}, {"1:a", "b"}, {"a", "1:b"}, {"a", "", "b"}, {"1:a1:b"}}
	seen := map[string]int{}
	for i, parts := range lists {
		c := seal.Context(parts...)
		if j, ok := seen[c]; ok {
			t.Errorf("%q and %q both give %q", parts, lists[j], c)
		}
		seen[c] = i
	}
}

func TestRewrapChangesTheHeaderOnly(t *testing.T) {
	old, now := seal.NewKey(), seal.NewKey()
	before := seal.New(seal.NewRing(old))
	sealed, _ := before.Seal([]byte("secret"), where)
	after := seal.New(seal.NewRing(now, old))

	rewrapped, changed, err := after.Rewrap(sealed, where)
	if err != nil || !changed || seal.KeyID(rewrapped) != now.ID() {
		t.Fatalf("got key %s, changed %t, %v; want key %s, true", seal.KeyID(rewrapped), changed, err, now.ID())
	}
	if got, err := seal.New(seal.NewRing(now)).Open(rewrapped, where); err != nil || string(got) != "secret" {
		t.Errorf("under the new key alone: got %q, %v", got, err)
	}
	body := len("secret") + 16 + 12 + 16
	if !bytes.Equal(rewrapped[len(rewrapped)-body:], sealed[len(sealed)-body:]) {
		t.Error("the content was encrypted anew")
	}
	if again, changed, err := after.Rewrap(rewrapped, where); err != nil || changed || !bytes.Equal(again, rewrapped) {
		t.Errorf("second time: changed %t, %v; want false", changed, err)
	}
	if _, _, err := after.Rewrap(sealed, "elsewhere"); !errors.Is(err, seal.ErrContext) {
		t.Errorf("in another place: got %v, want ErrContext", err)
	}
}

func TestPrintingAKeyHidesIt(t *testing.T) {
	k := seal.NewKey()
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{k, &k, struct{ K seal.Key }{k}} {
			if got := fmt.Sprintf(format, v); len(got) > 60 || !strings.Contains(got+k.ID(), k.ID()) {
				t.Errorf("%s of %T: got %s", format, v, got)
			}
		}
	}
}

func TestDeriveWithoutAStorePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Derive gave a key that no store holds the root of")
		}
	}()
	seal.New(seal.NewRing(seal.NewKey())).Derive("audit")
}
